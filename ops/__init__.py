"""The `cxr` command: from an archive to predictions, the same against AWS and against the laptop's cloud."""
