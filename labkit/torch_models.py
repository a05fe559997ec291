"""PyTorch model files: weights, and what is needed to rebuild the network that they belong to."""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from labkit.archives import model_kind, seal
from labkit.data import PIXEL_MEAN, PIXEL_STD
from labkit.errors import LabError
from labkit.files import write_bytes
from labkit.torch_networks import build
from labkit.torch_training import weights_sha256

FORMAT = "labkit-torch-1"


@dataclass(frozen=True)
class TorchModel:
    """A network from a file, with the normalisation that its images need."""

    network: nn.Module
    name: str
    activation: str
    mean: float
    std: float


def save_model(
    network: nn.Module,
    path: str | Path,
    name: str,
    activation: str,
    mean: float = PIXEL_MEAN,
    std: float = PIXEL_STD,
) -> None:
    """Save a network's weights and the names needed to rebuild it; the file appears whole or not at all.

    Parameters
    ----------
    network : nn.Module
    path : str or Path
        Usually ends in `.pth`; its folder is made where needed.
    name, activation : str
        As `torch_networks.build` takes them.
    mean, std : float
        Of the pixel normalisation that the network was trained with.

    Raises
    ------
    LabError
        The file cannot be written.
    """
    content = {
        "format": FORMAT,
        "network": name,
        "activation": activation,
        "mean": mean,
        "std": std,
        "weights_sha256": weights_sha256(network),
        "state_dict": {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()},
    }
    packed = io.BytesIO()
    torch.save(content, packed)
    write_bytes(Path(path), seal(packed.getvalue()))


def load_model(path: str | Path) -> TorchModel:
    """Rebuild a network from a file that `save_model` wrote. No code from the file is run.

    Raises
    ------
    LabError
        One line: the file is missing, cut short, damaged, of another kind, carries code, or holds the
        weights of a network that has been edited.
    """
    if model_kind(path) != "torch":
        raise LabError(f"{path}: a Keras model, not a PyTorch one")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise LabError(f"{path}: refused: the file holds more than weights, and loading it could run code") from None
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, AttributeError, TypeError):
        raise LabError(f"{path}: cut short or damaged") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise LabError(f"{path}: PyTorch weights, but they do not say of which network; save with labkit's save_model")
    try:
        network = build(content["network"], content["activation"])
        network.load_state_dict(content["state_dict"])
        mean, std = float(content["mean"]), float(content["std"])
    except LabError as problem:
        raise LabError(f"{path}: {problem}") from None
    except (ValueError, RuntimeError, KeyError, AttributeError, TypeError):
        raise LabError(
            f"{path}: its weights do not fit the network {content.get('network')!r}: was it edited?"
        ) from None
    if weights_sha256(network) != content.get("weights_sha256"):
        raise LabError(f"{path}: damaged: the SHA-256 of its weights does not match")
    return TorchModel(network, content["network"], content["activation"], mean, std)
