"""labkit: the thin helper package of the lab series on CNNs for handwritten digits.

A student's addresses are five: `labkit`, `labkit.keras`, `labkit.torch`, `labkit.plots`, `labkit.stats`. Importing
this one is cheap: what stands here is loaded on first use, TensorFlow and PyTorch only with `labkit.keras` and
`labkit.torch`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from labkit.base.import_order import make_import_order_safe

if TYPE_CHECKING:
    from labkit.base.errors import LabError as LabError
    from labkit.data.mnist import ImageSet as ImageSet
    from labkit.data.mnist import load_idx as load_idx
    from labkit.data.mnist import load_mnist as load_mnist
    from labkit.lab.exercises import check as check
    from labkit.lab.notebook import Lab as Lab
    from labkit.runs.history import History as History
    from labkit.runs.plans import make_plan as make_plan
    from labkit.runs.registry import LEAKY_SLOPE as LEAKY_SLOPE
    from labkit.runs.registry import find_run as find_run
    from labkit.runs.registry import ten_runs as ten_runs

__version__ = "1.0.0"

_HOMES = {
    "LEAKY_SLOPE": "labkit.runs.registry",
    "History": "labkit.runs.history",
    "ImageSet": "labkit.data.mnist",
    "Lab": "labkit.lab.notebook",
    "LabError": "labkit.base.errors",
    "check": "labkit.lab.exercises",
    "find_run": "labkit.runs.registry",
    "load_idx": "labkit.data.mnist",
    "load_mnist": "labkit.data.mnist",
    "make_plan": "labkit.runs.plans",
    "ten_runs": "labkit.runs.registry",
}

__all__ = list(_HOMES)

make_import_order_safe()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'labkit' has no attribute {name!r}")
