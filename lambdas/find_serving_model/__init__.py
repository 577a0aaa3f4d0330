"""Which registered model the endpoint serves now: what a new one is compared with."""
