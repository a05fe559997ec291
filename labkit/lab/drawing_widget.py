"""Draw a digit in the notebook and watch a network read it."""

import re
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
from labkit.runs.frameworks import load_probe
from labkit.runs.wiring import PIXELS, Floats, Probe

STATIC = PACKAGE / "lab" / "static"
SCRIPTS = ("unit.js", "panel.js", "pad.js", "draw.js")


def _joined() -> str:
    """Return the scripts as one module, without the imports from one another."""
    scripts = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return re.sub(r'^import .*"\./.*\n', "", scripts, flags=re.MULTILINE)


class DrawWidget(anywidget.AnyWidget):
    """A canvas for a digit, and beside it what a network makes of the drawing.

    Parameters
    ----------
    networks : mapping of str to Probe
        What reads the digit: `probe(network)` of `labkit.keras` or `labkit.torch`, `load_probe(path)`. At least one;
        the names are offered for choice.
    """

    # The kernel's messages travel as buffers of custom messages: a Bytes trait loses the browser's updates
    _esm = _joined()
    _css = (STATIC / "pad.css").read_text(encoding="utf-8")
    networks = traitlets.List(traitlets.Unicode()).tag(sync=True)
    network = traitlets.Unicode().tag(sync=True)

    def __init__(self, networks: Mapping[str, Probe]) -> None:
        self.probes = dict(networks)
        if not self.probes:
            raise LabError("no network to read the drawing: valid is at least one")
        names = list(self.probes)
        super().__init__(networks=names, network=names[0])
        self.on_msg(self._answer)

    def _answer(self, _widget: Any, content: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        image = np.frombuffer(buffers[0], np.uint8).reshape(28, 28).copy()  # PyTorch warns of what cannot be written
        network = str(content.get("network", self.network))
        if content.get("kind") == "unit":
            unit, buffers = self.unit(image, network, str(content["layer"]), int(content["map"]))
            self.send({"kind": "unit", "question": content.get("question"), "unit": unit}, buffers)
            return
        message, levels = self.read(image, network)
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

    def unit(
        self, image: NDArray[np.uint8], network: str, layer: str, number: int
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Return what the browser needs to show how the numbers of one map are made: see `static/unit.js`.

        The two buffers hold the map, and all maps of the layer that it is made of.
        """
        probe = self.probes[network]
        _, layers = probe(image)
        wire = probe.wires().get(layer)
        source = image[None] if wire is None or wire.source == PIXELS else layers[wire.source]
        arrays = {name: values[number].ravel().tolist() for name, values in (wire.arrays if wire else {}).items()}
        message = {
            "layer": layer,
            "map": number,
            "shape": list(layers[layer].shape),
            "source": list(source.shape),
            "wire": wire.to_dict() if wire else None,
            "arrays": arrays,
        }
        return message, [np.ascontiguousarray(a, np.float32).tobytes() for a in (layers[layer][number], source)]


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
