"""PyTorch model files: a network of labkit's is built from its code and takes the weights; no code in a file runs."""

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labkit.base.errors import LabError
from labkit.base.files import write_bytes
from labkit.data.mnist import PIXEL_MEAN, PIXEL_STD
from labkit.runs.model_files import Label, check_weights, labelled, read_label
from labkit.runs.states import hash_arrays
from labkit.torch.networks import ACTIVATIONS, NETWORKS, build
from labkit.torch.weights import describe, weights_sha256


@dataclass(frozen=True)
class TorchModel:
    """A network from a file, with the normalisation that its images need."""

    network: nn.Module
    mean: float
    std: float


def save_model(network: nn.Module, path: str | Path, *, mean: float = PIXEL_MEAN, std: float = PIXEL_STD) -> None:
    """Save a network's weights as a `.pth` file; the file appears whole or not at all.

    Plain `torch.load` opens it as well, and gives the state dict. A label in it says which of labkit's networks
    it is.

    Parameters
    ----------
    network : nn.Module
    path : str or Path
        Usually ends in `.pth`; its folder is made where needed.
    mean, std : float
        Of the pixel normalisation that the network was trained with.

    Raises
    ------
    LabError
        The file cannot be written.
    """
    name, activation = _known_as(network)
    label = Label("torch", weights_sha256(network), name, activation, mean, std)
    packed = io.BytesIO()
    torch.save({k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}, packed)
    write_bytes(Path(path), labelled(packed.getvalue(), label))


def load_model(path: str | Path, into: nn.Module | None = None) -> TorchModel:
    """Load a network from a file: build it from labkit's code and read its weights. No code from the file is run.

    Parameters
    ----------
    path : str or Path
    into : nn.Module, optional
        A network of your own: it takes the weights of the file.

    Returns
    -------
    TorchModel
        Its network is `into` where that was given. Where labkit did not write the file, mean and standard deviation
        are those of MNIST.

    Raises
    ------
    LabError
        One line: the file is missing, cut short, damaged, of another kind, of an unknown network, carries code, or its
        weights do not fit the network by name and shape.
    """
    label = read_label(path, "torch")
    weights = _read_weights(path)
    network = _build(path, label) if into is None else into
    check_weights(path, _shapes(weights), _shapes(network.state_dict()))
    try:
        # of the file, in its order: your own network may have its modules in a different order
        if label and hash_arrays(tensor.numpy() for tensor in weights.values()) != label.weights_sha256:
            raise LabError(f"{path}: damaged: the SHA-256 of its weights does not match")
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as problem:  # tensors of a kind that NumPy does not have
        raise LabError(f"{path}: damaged: its weights cannot be read ({type(problem).__name__})") from None
    return TorchModel(network, label.mean, label.std) if label else TorchModel(network, PIXEL_MEAN, PIXEL_STD)


def _build(path: str | Path, label: Label | None) -> nn.Module:
    """Build the network that a label names."""
    if label is None or label.network is None:
        unknown = f"{path}: the weights of a network that labkit does not build"
        raise LabError(f"{unknown}; build it yourself and call load_model(path, into=network)")
    try:
        return build(label.network, str(label.activation))
    except LabError as problem:
        raise LabError(f"{path}: {problem}") from None


def _known_as(network: nn.Module) -> tuple[str, str] | tuple[None, None]:
    """Return the name and activation under which labkit builds this very network, if it does."""
    described, shapes = describe(network), _shapes(network.state_dict())
    for name, activation in product(NETWORKS, ACTIVATIONS):
        with torch.device("meta"):  # shapes without numbers: no random number is drawn
            other = build(name, activation)
        if (described, shapes) == (describe(other), _shapes(other.state_dict())):
            return name, activation
    return None, None


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def _read_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the state dict in a file, with every tensor on the CPU."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise LabError(f"{path}: refused: the file holds more than weights, and loading it could run code") from None
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, AttributeError, TypeError):
        raise LabError(f"{path}: cut short or damaged") from None
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise LabError(f"{path}: holds something else than the weights of a network; valid is a state dict")
    return {str(name): tensor for name, tensor in content.items()}
