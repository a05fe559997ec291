"""The training loops of labkit beside the usual ones."""
