"""REST API, its functions, authentication and firewall."""
