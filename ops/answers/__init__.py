"""What the commands answer with `--json`. A test holds every answer to it."""
