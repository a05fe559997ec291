"""Tests in a real browser: the pages of a report, and JupyterLab."""
