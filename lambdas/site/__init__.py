"""Unauthenticated routes: page, API description, preflight requests, and answers to wrong paths and methods."""
