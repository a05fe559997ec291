"""The platforms of the series' users: Colab's versions, the lowest that pyproject.toml allows, the newest."""
