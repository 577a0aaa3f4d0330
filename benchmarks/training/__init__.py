"""Benchmarks of training: speed against the notebook that this project grew from, and the model's quality."""
