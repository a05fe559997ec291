"""Keras or PyTorch by name, by network or by model file, so that only the one in use is imported."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from labkit.data.mnist import ImageSet
from labkit.runs.history import Evaluation
from labkit.runs.model_files import model_kind
from labkit.runs.wiring import Probe


def framework(name: str) -> ModuleType:
    """Return `labkit.keras` or `labkit.torch` for `keras` or `torch`: both have the same functions."""
    return import_module(f"labkit.{name}")


def framework_of(network: Any) -> str:
    """Return `torch` or `keras` for a network, without importing either."""
    homes = {base.__module__.partition(".")[0] for base in type(network).__mro__}
    return "torch" if "torch" in homes else "keras"


def test_model(path: str | Path, data: ImageSet) -> Evaluation:
    """Load the network of a `.keras` or `.pth` file and evaluate it on the test images.

    Raises
    ------
    LabError
        The file cannot be used; see `model_kind` and the two `load_model`.
    """
    used, network, pixels = _load(path)
    test: Evaluation = used.evaluate(network, data.test_images, data.test_labels, **pixels)
    return test


def load_probe(path: str | Path) -> Probe:
    """Load a `.keras` or `.pth` file and return the probe for it; raises what `test_model` raises."""
    used, network, pixels = _load(path)
    probe: Probe = used.probe(network, **pixels)
    return probe


def _load(path: str | Path) -> tuple[ModuleType, Any, dict[str, float]]:
    """Return the framework of a file, its network, and the normalisation of the pixels where there is one."""
    kind = model_kind(path)
    used = framework(kind)
    loaded = used.load_model(path)
    return (used, loaded, {}) if kind == "keras" else (used, loaded.network, {"mean": loaded.mean, "std": loaded.std})
