"""What every other folder may use: errors, files, paths, progress, a process of its own."""
