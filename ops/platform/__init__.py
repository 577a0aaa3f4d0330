"""The environment itself: prerequisites, and the laptop's cloud."""
