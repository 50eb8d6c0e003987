"""Scripts that fit and train the shipped policies."""
