"""Scores of the test split, what they show, and the gates before registration."""
