"""Training one stack in one process, without Ray and without MLflow."""
