"""How long people wait for commands and synthesis, and what the laptop's cloud holds."""
