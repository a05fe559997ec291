"""Where the project's own files lie: in a clone, or inside an installed copy."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def project_dir() -> Path:
    """Return the folder that holds `data/` and `notebooks/`.

    A clone has them beside the package; a wheel carries them inside it, under `_project`.
    """
    bundled = PACKAGE / "_project"
    return bundled if bundled.is_dir() else PACKAGE.parent


def data_dir() -> Path:
    """Return the folder of the shipped data: MNIST, the published figures, the reference run."""
    return project_dir() / "data"


def notebooks_dir() -> Path:
    """Return the folder of the notebooks of the series."""
    return project_dir() / "notebooks"


def reference_dir() -> Path:
    """Return the folder of the reference run: `results.json`, histories and trained models."""
    return data_dir() / "reference"


def evidence_dir() -> Path:
    """Return the folder of the evidence: its plan, and the seeds of every run."""
    return reference_dir() / "evidence"
