"""Benchmarks of making data sets, and the radiographs for them."""
