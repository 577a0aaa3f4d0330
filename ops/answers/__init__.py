"""Models (pydantic) of what the commands print with `--json`. A test validates every answer against them."""
