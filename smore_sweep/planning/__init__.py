"""Plans of sweeps: pending runs, their stacks and an estimate of their time."""
