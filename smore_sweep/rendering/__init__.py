"""Pictures of policies: animations, stills and videos in MLflow."""
