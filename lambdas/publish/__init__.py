"""Publish: puts what a deployment uploaded where executions find it for as long as they need it."""
