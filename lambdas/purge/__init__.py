"""Purge: deletes the registered models of an environment that is being removed, as a custom resource."""
