"""What a notebook stands on: its parameters, its exercises, the drawing widget."""
