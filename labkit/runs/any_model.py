"""Any model file: test it or look into it with the one framework that it needs."""

from pathlib import Path
from types import ModuleType
from typing import Any

from labkit.data.mnist import ImageSet
from labkit.runs.frameworks import framework
from labkit.runs.history import Evaluation
from labkit.runs.model_files import model_kind
from labkit.runs.probes import Probe


def test_model(path: str | Path, data: ImageSet) -> Evaluation:
    """Load the network that a file holds and evaluate it on the test images.

    Parameters
    ----------
    path : str or Path
        A `.keras` or `.pth` file.
    data : ImageSet

    Returns
    -------
    Evaluation

    Raises
    ------
    LabError
        The file cannot be used; see `model_kind` and the two `load_model`.
    """
    used, network, pixels = _load(path)
    test: Evaluation = used.evaluate(network, data.test_images, data.test_labels, **pixels)
    return test


def load_probe(path: str | Path) -> Probe:
    """Load a model file and return the probe for it.

    Parameters
    ----------
    path : str or Path
        A `.keras` or `.pth` file.

    Raises
    ------
    LabError
        The file cannot be used; see `model_kind` and the two `load_model`.
    """
    used, network, pixels = _load(path)
    probe: Probe = used.probe(network, **pixels)
    return probe


def _load(path: str | Path) -> tuple[ModuleType, Any, dict[str, float]]:
    """Return the framework of a file, its network, and the normalisation of the pixels where there is one."""
    kind = model_kind(path)
    used = framework(kind)
    loaded = used.load_model(path)
    return (used, loaded, {}) if kind == "keras" else (used, loaded.network, {"mean": loaded.mean, "std": loaded.std})
