"""The PyTorch networks that notebooks 00, 05 and 06 show are those of labkit."""

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from labkit.base.paths import notebooks_dir
from labkit.runs.model_files import read_label
from labkit.torch.networks import ACTIVATIONS, build
from labkit.torch.saving import save_model

SHOWN = (
    ("00_introduction", "DeepBN", "deep-bn", "leaky_relu"),
    ("05_pytorch_equivalents", "LeNetDropout", "lenet-dropout", "relu"),
    ("05_pytorch_equivalents", "LeNetDropout", "lenet-dropout", "leaky_relu"),
    ("05_pytorch_equivalents", "KerasTwin", "keras-twin", "relu"),
    ("06_deep_bn_network", "DeepBN", "deep-bn", "leaky_relu"),
)


def class_from_notebook(notebook: str, name: str) -> Any:
    """Return a class that a notebook defines, without running the rest of its cells."""
    cells = nbformat.read(notebooks_dir() / f"{notebook}.ipynb", as_version=4).cells
    for cell in cells:
        if cell.cell_type == "code" and f"class {name}(" in cell.source:
            definitions: list[ast.stmt] = [
                node for node in ast.parse(cell.source).body if isinstance(node, ast.ClassDef)
            ]
            names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F}
            exec(compile(ast.Module(definitions, []), notebook, "exec"), names)
            return names[name]
    raise AssertionError(f"{notebook} defines no {name}")


@pytest.mark.parametrize(("notebook", "name", "network", "activation"), SHOWN)
def test_the_network_in_the_notebook_is_that_of_labkit(notebook: str, name: str, network: str, activation: str) -> None:
    torch.manual_seed(1)
    shown = class_from_notebook(notebook, name)(ACTIVATIONS[activation])
    ours = build(network, activation, seed=1)
    assert repr(shown) == repr(ours)
    for key, tensor in ours.state_dict().items():
        assert torch.equal(shown.state_dict()[key], tensor), key
    images = torch.rand(8, 1, 28, 28)
    torch.manual_seed(2)
    output = shown(images)  # in training mode, where dropout shows as well
    torch.manual_seed(2)
    assert torch.equal(output, ours(images))


@pytest.mark.parametrize(("notebook", "name", "network", "activation"), SHOWN)
def test_the_network_in_the_notebook_is_saved_under_its_name(
    notebook: str, name: str, network: str, activation: str, tmp_path: Path
) -> None:
    shown = class_from_notebook(notebook, name)(ACTIVATIONS[activation])
    save_model(shown, tmp_path / "model.pth")
    label = read_label(tmp_path / "model.pth", "torch")
    assert label is not None
    assert (label.network, label.activation) == (network, activation)
