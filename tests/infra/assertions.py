"""Assertions of the CDK over templates, in a module that `tests/lazy_imports.py` can put off: they start Node."""

from aws_cdk.assertions import Match, Template

__all__ = ["Match", "Template"]
