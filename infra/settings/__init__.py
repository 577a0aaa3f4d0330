"""Settings: their groups, and all settings of one environment."""
