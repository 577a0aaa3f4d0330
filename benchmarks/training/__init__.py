"""How fast training is, against the notebook that this project grew from, and how good it becomes."""
