"""Publish: copies a deployment's source code and libraries to where pipeline executions read them."""
