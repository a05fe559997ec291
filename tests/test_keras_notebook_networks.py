"""The Keras networks that notebooks 01 to 04 show are those of labkit."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from labkit.base.paths import notebooks_dir
from labkit.keras.networks import build
from labkit.keras.quiet_tensorflow import keras
from labkit.keras.saving import save_model
from labkit.keras.training import set_seed
from labkit.keras.weights import describe, weights_sha256
from labkit.runs.model_files import read_label
from labkit.runs.registry import LEAKY_SLOPE

SHOWN: tuple[tuple[str, tuple[Any, ...], str, str], ...] = (
    ("01_keras_baseline", (), "baseline", "relu"),
    ("02_more_epochs", (), "baseline", "relu"),
    ("03_extra_conv_layer", ("valid",), "extra-conv", "relu"),
    ("03_extra_conv_layer", ("same",), "extra-conv-same", "relu"),
    ("03_extra_conv_layer", ("valid", (2, 2)), "baseline", "relu"),
    ("03_extra_conv_layer", ("valid", (2, 2, 3)), "extra-conv-wide-pool", "relu"),
    ("03_extra_conv_layer", ("valid", (2, 2, 1)), "extra-conv-two-pools", "relu"),
    ("03_extra_conv_layer", ("valid", (2, 2), ((0, 6), (0, 6))), "baseline-22x22", "relu"),
    ("04_leaky_relu", (), "baseline", "leaky_relu"),
)


def build_network_of(notebook: str) -> Callable[..., Any]:
    """Return the function `build_network` that a notebook defines, without running the rest of its cells."""
    for cell in nbformat.read(notebooks_dir() / f"{notebook}.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and "def build_network(" in cell.source:
            definitions: list[ast.stmt] = [
                node for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef)
            ]
            names: dict[str, Any] = {"keras": keras, "layers": keras.layers, "LEAKY_SLOPE": LEAKY_SLOPE}
            exec(compile(ast.Module(definitions, []), notebook, "exec"), names)
            function: Callable[..., Any] = names["build_network"]
            return function
    raise AssertionError(f"{notebook} defines no build_network")


@pytest.mark.parametrize(("notebook", "arguments", "network", "activation"), SHOWN)
def test_the_network_in_the_notebook_is_that_of_labkit(
    notebook: str, arguments: tuple[Any, ...], network: str, activation: str, tmp_path: Path
) -> None:
    set_seed(1)
    shown = build_network_of(notebook)(*arguments)
    ours = build(network, activation, seed=1)
    assert describe(shown) == describe(ours)
    assert weights_sha256(shown) == weights_sha256(ours)
    save_model(shown, tmp_path / "model.keras")
    label = read_label(tmp_path / "model.keras", "keras")
    assert label is not None
    assert (label.network, label.activation) == (network, activation)
