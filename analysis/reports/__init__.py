"""Pages of results: a sweep's HTML page, and RESULTS.md."""
