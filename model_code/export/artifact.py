"""File names in a model's artifact that export, evaluation and serving share."""

DIRECTORY = "engine"
"""Of the second engine's files; `serving.engine` has it too, which travels alone."""
FALLBACK_DIRECTORY = "fallback"
"""Of weights that serve where those beside them are refused."""
FALLBACK = "engine_fallback"
"""In metadata.json: what changes where they serve."""
