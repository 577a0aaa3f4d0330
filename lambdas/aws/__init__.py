"""Shared modules of functions that call AWS; each function carries along those it imports."""
