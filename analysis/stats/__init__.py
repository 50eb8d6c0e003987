"""Statistics of samples over seeds."""
