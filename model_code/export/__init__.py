"""From a trained classifier to model.tar.gz: SavedModel, LiteRT models, metadata."""
