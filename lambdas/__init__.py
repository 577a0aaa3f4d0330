"""The three functions between people and SageMaker: `trigger` (upload), `release` (approval), `predict` (HTTPS).

Each is deployed with its own folder only, so no module here imports another function's modules.
"""
