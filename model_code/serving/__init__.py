"""What travels in model.tar.gz to the endpoint: request handlers and the LiteRT engine."""
