"""Export a PyTorch network to ONNX, for the drawing page: grey levels in, probabilities and feature maps out."""

import json
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from labkit.base.errors import LabError
from labkit.base.files import whole_file, write_text
from labkit.runs.wiring import Wire
from labkit.torch.evaluation import normalise
from labkit.torch.probe import is_layer, layer_outputs
from labkit.torch.saving import TorchModel
from labkit.torch.wiring import wires

OPSET = 17


class _Reader(nn.Module):
    """The network with its normalisation before it; the outputs of its layers, and then its weights, come last."""

    def __init__(self, model: TorchModel, wired: dict[str, Wire]) -> None:
        super().__init__()
        self.wired = wired
        self.network = model.network
        self.mean, self.std = model.mean, model.std

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        with layer_outputs(self.network) as outputs:
            log_probabilities = self.network(normalise(pixels, self.mean, self.std))
        weights = [
            getattr(self.network.get_submodule(layer), name)
            for layer, wire in self.wired.items()
            for name in wire.arrays
        ]
        return log_probabilities.exp(), *outputs.values(), *weights


def export_onnx(model: TorchModel, path: str | Path) -> list[str]:
    """Write a network as one ONNX file, whole or not at all, and its wires beside it, in a `.json` of the same name.

    Returns
    -------
    list of str
        The outputs: `probabilities` (1, classes), then one by each layer's name; then the weights, as `conv1/weight`,
        which take no room, being in the network anyway. The input is `pixels`, float32 (1, 28, 28), grey levels from 0
        (paper) to 255 (ink).

    Raises
    ------
    LabError
        The packages for the export are not installed, or the file cannot be written.
    """
    model.network.eval()
    wired = wires(model.network, is_layer, model.mean, model.std)
    reader = _Reader(model, wired).eval()
    pixels = torch.zeros(1, 28, 28)
    with torch.no_grad(), layer_outputs(model.network) as outputs:
        reader.network(normalise(pixels, model.mean, model.std))
    weights = [f"{layer}/{name}" for layer, wire in wired.items() for name in wire.arrays]
    names = ["probabilities", *outputs, *weights]
    try:
        with whole_file(Path(path)) as partial, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter that needs no onnxscript announces its successor
            torch.onnx.export(
                reader,
                (pixels,),
                str(partial),
                input_names=["pixels"],
                output_names=names,
                opset_version=OPSET,
                dynamo=False,
                external_data=False,
            )
    except ImportError as problem:
        raise LabError(f"the export needs a package that is not installed: {problem.name or problem}") from None
    except torch.onnx.errors.OnnxExporterError as problem:
        raise LabError(f"{path}: the export failed: {problem}") from None
    content = {layer: wire.to_dict() for layer, wire in wired.items()}
    write_text(Path(path).with_suffix(".json"), json.dumps(content, indent=1) + "\n")
    return names
