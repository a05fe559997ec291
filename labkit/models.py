"""Any model file: test it or look into it with the one framework that it needs."""

from pathlib import Path

from labkit.archives import model_kind
from labkit.data import ImageSet
from labkit.history import Evaluation
from labkit.probes import Probe


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
        The file cannot be used; see `archives.model_kind` and the two `load_model`.
    """
    if model_kind(path) == "keras":
        from labkit.keras_models import load_model as load_keras
        from labkit.keras_training import evaluate as evaluate_keras

        return evaluate_keras(load_keras(path), data.test_images, data.test_labels)
    from labkit.torch_models import load_model as load_torch
    from labkit.torch_training import evaluate as evaluate_torch

    model = load_torch(path)
    return evaluate_torch(model.network, data.test_images, data.test_labels, mean=model.mean, std=model.std)


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
