"""Look into the network of any model file, with the one framework that it needs."""

from pathlib import Path

from labkit.archives import model_kind
from labkit.probes import Probe


def load_probe(path: str | Path) -> Probe:
    """Load a model file and return the probe for it.

    Parameters
    ----------
    path : str or Path
        A `.keras` or `.pth` file.

    Raises
    ------
    LabError
        The file cannot be used; see `archives.model_kind` and the two `load_model`.
    """
    if model_kind(path) == "keras":
        from labkit.keras_models import load_model as load_keras
        from labkit.keras_probe import probe as probe_keras

        return probe_keras(load_keras(path))
    from labkit.torch_models import load_model as load_torch
    from labkit.torch_probe import probe as probe_torch

    model = load_torch(path)
    return probe_torch(model.network, mean=model.mean, std=model.std)
