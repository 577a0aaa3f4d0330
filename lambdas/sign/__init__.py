"""Sign: a signed statement about each model package, made when it was registered."""
