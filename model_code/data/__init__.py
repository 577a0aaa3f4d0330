"""From an archive to TFRecord shards split by patient: layout, manifest, split, leakage, dataset card."""
