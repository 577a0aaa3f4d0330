"""How often what is said about a model holds: intervals, guarantees, refusals, maps and suspect labels."""
