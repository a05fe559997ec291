"""Keras model files: a network of labkit's is built from its code and takes the weights; no code in a file runs."""

import json
import tempfile
import zipfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import h5py

from labkit.base.errors import LabError
from labkit.base.files import write_bytes
from labkit.keras.networks import ACTIVATIONS, NETWORKS, build
from labkit.keras.quiet_tensorflow import keras
from labkit.keras.weights import describe, weights_sha256
from labkit.runs.model_files import Label, check_weights, labelled, read_label
from labkit.runs.states import python_random_states, restore_python_random_states

# What a configuration may name: the parts of a network. Without one: tensors and arrays, plain data.
MODULES = {"", "keras", "keras.src.models.functional"} | {
    f"keras.{part}"
    for part in ("activations", "constraints", "dtype_policies", "initializers", "layers", "models", "regularizers")
}
# Layers whose configuration is code, or names a file of code.
CODE_LAYERS = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "function"}


def save_model(network: Any, path: str | Path) -> None:
    """Save a Keras network as a `.keras` file; the file appears whole or not at all.

    Plain `keras.saving.load_model` opens it as well. A label in it says which of labkit's networks it is.

    Parameters
    ----------
    network : keras.Model
    path : str or Path
        Usually ends in `.keras`; its folder is made where needed.

    Raises
    ------
    LabError
        The file cannot be written.
    """
    name, activation = _known_as(network)
    label = Label("keras", weights_sha256(network), name, activation)
    with tempfile.TemporaryDirectory() as folder:  # Keras saves to a path, not to memory
        saved = Path(folder) / "network.keras"
        try:
            network.save(saved)
            content = saved.read_bytes()
        except OSError as problem:
            raise LabError(f"{path}: the model cannot be saved: {problem.strerror or problem}") from None
    write_bytes(Path(path), labelled(content, label))


def load_model(path: str | Path, into: Any = None) -> Any:
    """Load a Keras network from a file. Code in the file is refused, not run.

    A network that labkit knows is built from labkit's code. Another one is rebuilt from the configuration in the
    file, as far as this Keras can; with `into`, nothing is rebuilt.

    Parameters
    ----------
    path : str or Path
    into : keras.Model, optional
        A network of your own, built: it takes the weights of the file.

    Returns
    -------
    keras.Model
        `into` where it was given; else a network for 28x28 images.

    Raises
    ------
    LabError
        One line: the file is missing, cut short, damaged, of another kind, of an unknown network, carries code,
        takes other images, or its weights do not fit the network by name and shape.
    """
    label = read_label(path, "keras")
    if into is not None:
        network = into
    elif label and label.network is not None:
        try:
            network = build(label.network, str(label.activation))
        except LabError as problem:
            raise LabError(f"{path}: {problem}") from None
    else:
        network = _rebuild(path)
    _load_weights(network, path)
    if label and weights_sha256(network) != label.weights_sha256:
        order = "" if into is None else ", or your network has its layers in another order"
        raise LabError(f"{path}: damaged: the SHA-256 of its weights does not match{order}")
    return network


def _known_as(network: Any) -> tuple[str, str] | tuple[None, None]:
    """Return the name and activation under which labkit builds this very network, if it does."""
    random_states = python_random_states()  # building draws the seeds of initial weights
    try:
        for name, activation in product(NETWORKS, ACTIVATIONS):
            if _is_same(network, build(name, activation)):
                return name, activation
    finally:
        restore_python_random_states(random_states)
    return None, None


def _is_same(network: Any, other: Any) -> bool:
    return (
        type(network) is type(other)
        and [w.shape for w in network.weights] == [w.shape for w in other.weights]
        and network.input_shape == other.input_shape
        and describe(network) == describe(other)
    )


def _load_weights(network: Any, path: str | Path) -> None:
    """Read the weights of a `.keras` file into a network, by name and shape.

    Keras names them in the file by the kind of their layer and its place among those of its kind: `conv2d`,
    `conv2d_1`, whatever the layers were called in the process that saved them.
    """
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        own, stored = Path(folder) / "own.weights.h5", Path(folder) / "stored.weights.h5"
        network.save_weights(own)  # the names that this Keras looks for
        stored.write_bytes(archive.read("model.weights.h5"))
        try:
            check_weights(path, _shapes(stored), _shapes(own))
            network.load_weights(stored)
        except LabError:
            raise
        except Exception as problem:  # a hostile or broken file can raise anything on its way through HDF5
            raise LabError(f"{path}: damaged: its weights cannot be read ({type(problem).__name__})") from None


def _shapes(weights: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes in a file of weights by name, without those of an optimizer."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset) and not name.startswith("optimizer/"):
            shapes[name] = entry.shape

    with h5py.File(weights) as stored:
        stored.visititems(note)
    return shapes


def _rebuild(path: str | Path) -> Any:
    """Rebuild a network that labkit does not know from the configuration in its file."""
    if Path(path).suffix != ".keras":
        raise LabError(f"{path}: a Keras model under a name that Keras does not take: rename it to end in .keras")
    _refuse_code(path)
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as problem:  # a hostile or broken file can raise anything on its way through Keras
        raise LabError(
            f"{path}: Keras {keras.__version__} cannot rebuild its network ({type(problem).__name__}); "
            "build it yourself and call load_model(path, into=network)"
        ) from None
    shapes = getattr(network, "input_shape", None), getattr(network, "output_shape", None)
    if shapes != ((None, 28, 28, 1), (None, 10)):
        raise LabError(f"{path}: input and output have the shapes {shapes}; valid are (None, 28, 28, 1) and (None, 10)")
    return network


def _refuse_code(path: str | Path) -> None:
    """Refuse a file whose configuration names anything but parts of networks that come with Keras.

    Keras's own safe mode refuses Lambda layers; what else it lets through differs from release to release.
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
            raise LabError(
                f"{path}: refused: it names {shown}, and loading that could run code from the file; "
                "for a network of your own, call load_model(path, into=network)"
            )


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
