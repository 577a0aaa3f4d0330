"""Custom resource: empties the model package group of an environment that is being removed."""
