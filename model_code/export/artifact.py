"""File names in a model's artifact that export, evaluation and serving share."""

DIRECTORY = "engine"
"""Directory of the LiteRT engine's files; `serving.engine`, which travels alone, repeats it."""
FALLBACK_DIRECTORY = "fallback"
"""Directory of the fallback weights, which serve where the others fail their gates."""
FALLBACK = "engine_fallback"
"""Member of metadata.json: what changes where the fallback weights serve."""
