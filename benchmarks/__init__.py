"""Measurements of what the project claims to be faster at, each against what a user would otherwise pick."""
