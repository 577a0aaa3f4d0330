"""Labels and splits: the names that data, models, documents and answers use."""

from __future__ import annotations

NORMAL = "NORMAL"
PNEUMONIA = "PNEUMONIA"
LABELS = (NORMAL, PNEUMONIA)
"""Negative, then positive: a label's place is its number in the shards."""
SPLITS = ("train", "validation", "test")
