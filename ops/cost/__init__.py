"""Prices, and what an environment, an execution and a prediction cost."""
