"""Fidelity of the embedded cloud to AWS: a row for each operation, step type and resource type."""
