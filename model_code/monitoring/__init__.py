"""Kept predictions against the reference of the model that made them: drift, and performance by readers' labels."""
