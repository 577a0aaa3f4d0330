"""Monitoring: drift of stored predictions against the model's reference, and performance by readers' labels."""
