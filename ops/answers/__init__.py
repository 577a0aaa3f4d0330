"""Answers of the commands with `--json`. A test holds every answer to them."""
