"""Notebooks run by papermill, the pages made of them, and what is published of a reference run."""
