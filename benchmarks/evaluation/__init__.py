"""Checks of how often statements about a model hold: intervals, guarantees, refusals, maps and suspect labels."""
