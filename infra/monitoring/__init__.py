"""Alarms, dashboard, budget and the schedule of the monitoring pipeline."""
