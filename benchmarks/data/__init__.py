"""How fast data sets are made, and of what radiographs."""
