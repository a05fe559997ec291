"""Typical wrong answers to the exercises, one module per notebook: `MUTANTS` holds at least three for each."""
