"""Progress of a running sweep: events, terminal view, heartbeat file and usage."""
