"""Emulation of AWS on one machine, the embedded cloud: deployed templates, functions, pipelines, endpoints."""
