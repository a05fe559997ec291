"""The ten runs of the report: how much of them is run, and what a training run leaves behind."""
