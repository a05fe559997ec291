"""Draw a digit in the notebook and watch a network read it."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from labkit.base.errors import LabError, unknown
from labkit.base.paths import PACKAGE
from labkit.runs.frameworks import Floats, Probe, load_probe

STATIC = PACKAGE / "lab" / "static"


class DrawWidget(anywidget.AnyWidget):
    """A canvas for a digit, and beside it what a network makes of the drawing.

    Parameters
    ----------
    networks : mapping of str to Probe, or Probe
        What reads the digit: `probe(network)` of `labkit.keras` or `labkit.torch`, `load_probe(path)`. At least one;
        the names are offered for choice.
    """

    # The kernel's messages travel as buffers of custom messages: a Bytes trait loses the browser's updates
    _esm = (STATIC / "pad.js").read_text(encoding="utf-8") + (STATIC / "draw.js").read_text(encoding="utf-8")
    _css = (STATIC / "pad.css").read_text(encoding="utf-8")
    networks = traitlets.List(traitlets.Unicode()).tag(sync=True)
    network = traitlets.Unicode().tag(sync=True)

    def __init__(self, networks: Mapping[str, Probe] | Probe) -> None:
        self.probes: dict[str, Probe] = {"network": networks} if callable(networks) else dict(networks)
        if not self.probes:
            raise LabError("no network to read the drawing: valid is at least one")
        names = list(self.probes)
        super().__init__(networks=names, network=names[0])
        self.on_msg(self._answer)

    def _answer(self, _widget: Any, content: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        image = np.frombuffer(buffers[0], np.uint8).reshape(28, 28)
        message, levels = self.read(image, str(content.get("network", self.network)))
        self.send({"kind": "result", "number": content.get("number"), **message}, [levels])

    def read(self, image: NDArray[np.uint8], network: str) -> tuple[dict[str, Any], bytes]:
        """Return what the browser shows for an image (28, 28) uint8, and the grey levels of all layers in a row."""
        if network not in self.probes:
            raise unknown("network", network, self.probes)
        start = time.perf_counter()
        probabilities, layers = self.probes[network](image)
        levels = b"".join(grey_maps(values).tobytes() for values in layers.values())
        message = {
            "probabilities": [float(p) for p in probabilities],
            "layers": [{"name": name, "shape": list(values.shape)} for name, values in layers.items()],
            "milliseconds": 1000 * (time.perf_counter() - start),
        }
        return message, levels


def grey_maps(values: Floats) -> NDArray[np.uint8]:
    """Return numbers as grey levels, from the lowest (0) to the highest (255). Same as `greyLevels` in pad.js."""
    low, high = float(values.min()), float(values.max())
    scale = 255 / (high - low) if high > low else 0.0
    levels: NDArray[np.uint8] = np.floor((values.astype(np.float64) - low) * scale + 0.5).astype(np.uint8)
    return levels


def draw(*models: str | Path | tuple[str, Probe]) -> DrawWidget:
    """Return the widget for model files or for networks at hand.

    Parameters
    ----------
    *models : str, Path or (str, Probe)
        A `.keras` or `.pth` file, or a name with the probe of a network.

    Raises
    ------
    LabError
        A file cannot be used.
    """
    named = [model if isinstance(model, tuple) else (Path(model).stem, load_probe(model)) for model in models]
    return DrawWidget(dict(named))
