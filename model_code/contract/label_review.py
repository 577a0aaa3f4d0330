"""The table that labels are reviewed with: suspect_labels.csv, which `cxr labels` gives to readers and takes back."""

from __future__ import annotations

FILE = "suspect_labels.csv"
REVIEWED = "reviewed_label"
READERS_COLUMNS = (REVIEWED, "reviewer", "comment")
"""Empty until a reader fills them in."""
COLUMNS = ("rank", "file", "split", "label", "suggested", "score", *READERS_COLUMNS)
"""`score` is the cross-fitted probability of `label`, `suggested` the label that is the more probable."""
