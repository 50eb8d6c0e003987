"""The paper's printed numbers and tables."""
