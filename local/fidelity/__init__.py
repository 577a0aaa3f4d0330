"""How far the embedded cloud answers as AWS does: a row for each operation, step type and resource type."""
