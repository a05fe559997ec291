"""Many seeds of many runs: jobs, and the cluster that they run on."""
