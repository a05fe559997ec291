"""A look into a network, and where the numbers of its layers come from: one can be followed back to the drawing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

PIXELS = "pixels"  # the source of the first layer

# An operation without weights: `{"op": "max_pool", "size": [2, 2], "stride": [2, 2], "padding": [0, 0]}`
Step = Mapping[str, Any]

# What `static/unit.js` computes between two layers
STEPS = ("normalise", "max_pool", "flatten", "relu", "leaky_relu", "sigmoid", "tanh")


@dataclass(frozen=True)
class Wire:
    """How a layer makes its numbers from those of another.

    Attributes
    ----------
    step : Step
        What the layer does: `op` is `conv`, `linear`, `batch_norm`, `softmax`, `log_softmax` or one of `STEPS`.
    source : str
        The layer that its input comes from, or `PIXELS`.
    before : tuple of Step
        What happens to the source on the way to the layer, as functional activations and pooling do.
    arrays : mapping of str to float32 array
        Its weights by PyTorch's names, in PyTorch's shapes: the first axis counts the maps.
    after : Step, optional
        What is done to its numbers next, where that takes no weights.
    """

    step: Step
    source: str
    before: tuple[Step, ...] = ()
    arrays: Mapping[str, Floats] = field(default_factory=dict)
    after: Step | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all but the weights, for JSON."""
        return {
            "step": dict(self.step),
            "source": self.source,
            "before": [dict(step) for step in self.before],
            "arrays": list(self.arrays),
            "after": dict(self.after) if self.after else None,
        }


@dataclass(frozen=True)
class Probe:
    """A look into a network: call it with an image, and ask it where the numbers come from.

    Attributes
    ----------
    look : callable
        Takes an image, uint8 (28, 28). Gives the probabilities, float32 (classes,), and by layer the feature maps,
        float32 (maps, height, width), or values, float32 (n,).
    wires : callable
        Gives the wire of each layer whose way back is known, with its weights of now.
    """

    look: Callable[[Bytes], tuple[Floats, dict[str, Floats]]]
    wires: Callable[[], dict[str, Wire]]

    def __call__(self, image: Bytes) -> tuple[Floats, dict[str, Floats]]:
        """Look into the network."""
        return self.look(image)


def normalisation(mean: float, std: float) -> Step:
    """Return the step from grey levels to the input of a network."""
    return {"op": "normalise", "mean": mean, "std": std}
