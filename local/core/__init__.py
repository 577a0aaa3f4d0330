"""The emulator, and what all services of the embedded cloud share."""
