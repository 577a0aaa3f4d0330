"""The embedded cloud: the deployed templates, functions, pipeline and endpoint on one machine. Nothing imports it."""
