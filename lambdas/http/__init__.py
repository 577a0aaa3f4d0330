"""Shared modules of the HTTPS API's functions; they import nothing outside the standard library."""
