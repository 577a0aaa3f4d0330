"""Batches, augmented views, the training loop, its arithmetic and its checkpoints."""
