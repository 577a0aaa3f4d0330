"""Shared by all commands: session, deployment, templates, errors, output."""
