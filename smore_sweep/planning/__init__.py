"""Which runs a sweep still needs, in which stacks, and for how long."""
