"""Metrics, confidence intervals and calibration of scores."""
