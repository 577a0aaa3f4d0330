"""What the functions of the HTTPS API share; each carries it along. Imports nothing outside the standard library."""
