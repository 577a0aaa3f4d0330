"""Registered models: comparison, release, promotion."""
