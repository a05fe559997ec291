"""Keras model files: saved whole, loaded without running code."""

import os
from pathlib import Path
from typing import Any

from labkit.archives import model_kind
from labkit.errors import LabError
from labkit.quiet_tensorflow import keras


def save_model(network: Any, path: str | Path) -> None:
    """Save a Keras network as a `.keras` file; the file appears whole or not at all.

    Raises
    ------
    LabError
        The file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial.keras")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        network.save(partial)
        os.replace(partial, path)
    except OSError as problem:
        partial.unlink(missing_ok=True)
        raise LabError(f"{path}: the model cannot be saved: {problem.strerror or problem}") from None


def load_model(path: str | Path) -> Any:
    """Load a Keras network for 28x28 images. Code in the file is refused, not run.

    Returns
    -------
    keras.Model

    Raises
    ------
    LabError
        One line: the file is missing, cut short, damaged, of another kind, carries code, or takes
        other images.
    """
    if model_kind(path) != "keras":
        raise LabError(f"{path}: a PyTorch model, not a Keras one")
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as problem:  # a hostile or broken file can raise anything on its way through Keras
        if "unsafe" in str(problem) or "safe_mode" in str(problem) or "Lambda" in str(problem):
            raise LabError(f"{path}: refused: the file holds code (a Lambda layer) that loading could run") from None
        kind = type(problem).__name__
        raise LabError(f"{path}: damaged, or not a model that this Keras can rebuild ({kind})") from None
    if network.input_shape != (None, 28, 28, 1):
        raise LabError(f"{path}: takes inputs of shape {network.input_shape}; valid is (None, 28, 28, 1)")
    return network
