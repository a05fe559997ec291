"""Export a PyTorch network to ONNX, for the drawing page: grey levels in, probabilities and feature maps out."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from labkit.base.errors import LabError
from labkit.base.files import whole_file
from labkit.torch.evaluation import normalise
from labkit.torch.probe import layer_outputs
from labkit.torch.saving import TorchModel

OPSET = 17


class _Reader(nn.Module):
    """The network with its normalisation before it, and with the outputs of its layers behind."""

    def __init__(self, model: TorchModel) -> None:
        super().__init__()
        self.network = model.network
        self.mean, self.std = model.mean, model.std

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        with layer_outputs(self.network) as outputs:
            log_probabilities = self.network(normalise(pixels, self.mean, self.std))
        return log_probabilities.exp(), *outputs.values()


def export_onnx(model: TorchModel, path: str | Path) -> list[str]:
    """Write a network as one ONNX file; the file appears whole or not at all.

    Returns
    -------
    list of str
        The outputs: `probabilities` (1, classes), then one by each layer's name. The input is `pixels`, float32
        (1, 28, 28), grey levels from 0 (paper) to 255 (ink).

    Raises
    ------
    LabError
        The packages for the export are not installed, or the file cannot be written.
    """
    reader = _Reader(model).eval()
    pixels = torch.zeros(1, 28, 28)
    with torch.no_grad(), layer_outputs(model.network) as outputs:
        reader.network(normalise(pixels, model.mean, model.std))
    names = ["probabilities", *outputs]
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
    return names
