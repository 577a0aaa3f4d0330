"""Files of an archive: what lists and decodes them knows neither zip archives nor buckets."""
