"""How the shipped policies were fitted and trained."""
