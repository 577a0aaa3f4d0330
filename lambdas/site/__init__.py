"""What the API shows without being asked for a prediction: its description, and what a wrong path or method gets."""
