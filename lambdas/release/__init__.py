"""An approved model package becomes the endpoint stack's model."""
