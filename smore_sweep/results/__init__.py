"""Everything that is kept of a run: outcomes, records, retries and the MLflow entry."""
