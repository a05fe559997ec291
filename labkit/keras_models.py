"""Keras model files: saved whole, loaded without running code."""

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labkit.archives import model_kind, seal
from labkit.errors import LabError
from labkit.files import write_bytes
from labkit.quiet_tensorflow import keras

# What a configuration may name: the parts of a network. Without one: tensors and arrays, plain data.
MODULES = {"", "keras", "keras.src.models.functional"} | {
    f"keras.{part}"
    for part in ("activations", "constraints", "dtype_policies", "initializers", "layers", "models", "regularizers")
}
# Layers whose configuration is code, or names a file of code.
CODE_LAYERS = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "function"}


def save_model(network: Any, path: str | Path) -> None:
    """Save a Keras network as a `.keras` file; the file appears whole or not at all.

    Raises
    ------
    LabError
        The file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:  # Keras saves to a path, not to memory
        saved = Path(folder) / "network.keras"
        try:
            network.save(saved)
            content = saved.read_bytes()
        except OSError as problem:
            raise LabError(f"{path}: the model cannot be saved: {problem.strerror or problem}") from None
    write_bytes(Path(path), seal(content))


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
    if Path(path).suffix != ".keras":
        raise LabError(f"{path}: a Keras model under a name that Keras does not take: rename it to end in .keras")
    _refuse_code(path)
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as problem:  # a hostile or broken file can raise anything on its way through Keras
        kind = type(problem).__name__
        raise LabError(f"{path}: damaged, or not a model that this Keras can rebuild ({kind})") from None
    shapes = getattr(network, "input_shape", None), getattr(network, "output_shape", None)
    if shapes != ((None, 28, 28, 1), (None, 10)):
        raise LabError(f"{path}: input and output have the shapes {shapes}; valid are (None, 28, 28, 1) and (None, 10)")
    return network


def _refuse_code(path: str | Path) -> None:
    """Refuse a file whose configuration names anything but parts of networks that come with Keras.

    Keras's own safe mode refuses Lambda layers; what else it lets through differs from release to release.

    Raises
    ------
    LabError
        Names what the file would have had loaded.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        config.pop("compile_config", None)  # not read: the file is loaded with compile=False
        named = list(_named(config))
    except (ValueError, AttributeError, RecursionError):
        raise LabError(f"{path}: damaged: its configuration cannot be read") from None
    for module, name in named:
        if module not in MODULES or name in CODE_LAYERS:
            shown = repr(f"{module}.{name}")[:80]
            raise LabError(f"{path}: refused: it names {shown}, and loading that could run code from the file")


def _named(config: Any) -> Iterator[tuple[str, str]]:
    """Yield every (module, class) that a configuration names, at any depth."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield str(config.get("module") or ""), str(config["class_name"])
        for value in config.values():
            yield from _named(value)
    elif isinstance(config, list):
        for value in config:
            yield from _named(value)
