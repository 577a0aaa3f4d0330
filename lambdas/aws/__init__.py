"""What functions that call AWS share; each carries along what it imports of it."""
