"""Safe file access: local and object-store paths, atomic writes, locks and leases."""
