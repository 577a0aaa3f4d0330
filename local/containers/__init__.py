"""Containers of models: the processes behind endpoints and batch transform jobs."""
