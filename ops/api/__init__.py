"""Predictions over the HTTPS API and in batches."""
