"""Benchmarks of an answer's latency and cost, in the container and in the functions around it."""
