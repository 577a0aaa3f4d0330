"""Benchmarks of commands and synthesis, and of the memory of the laptop's cloud."""
