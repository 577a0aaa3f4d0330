"""What differs between environments: the groups of settings, and the settings of one environment."""
