"""Contents of model.tar.gz for the endpoint: request handlers and the LiteRT engine."""
