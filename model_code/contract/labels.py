"""Labels and splits: the names that data, models, documents and answers use."""

from __future__ import annotations

from typing import Literal

NORMAL = "NORMAL"
PNEUMONIA = "PNEUMONIA"
LABELS = (NORMAL, PNEUMONIA)
"""Negative, then positive: a label's place is its number in the shards."""
Label = Literal["NORMAL", "PNEUMONIA"]
"""The type of one of them."""
SPLITS = ("train", "validation", "test")
