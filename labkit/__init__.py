"""labkit: the thin helper package of the lab series on CNNs for handwritten digits.

Importing it is cheap: TensorFlow and PyTorch are imported only by the modules that need them
(`labkit.keras_training`, `labkit.torch_training`, ...), and what stands here is loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from labkit.import_order import make_import_order_safe

if TYPE_CHECKING:
    from labkit.data import ImageSet as ImageSet
    from labkit.data import load_idx as load_idx
    from labkit.data import load_mnist as load_mnist
    from labkit.errors import LabError as LabError
    from labkit.history import History as History
    from labkit.profiles import make_plan as make_plan
    from labkit.runs import find_run as find_run
    from labkit.runs import runs as runs

__version__ = "1.0.0"

_HOMES = {
    "ImageSet": "labkit.data",
    "load_idx": "labkit.data",
    "load_mnist": "labkit.data",
    "LabError": "labkit.errors",
    "History": "labkit.history",
    "make_plan": "labkit.profiles",
    "find_run": "labkit.runs",
    "runs": "labkit.runs",
}

__all__ = list(_HOMES)

make_import_order_safe()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'labkit' has no attribute {name!r}")
