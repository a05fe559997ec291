"""Make `import tensorflow` and `import torch` safe in either order.

triton (which PyTorch's optimizers, torchvision and torch.compile load) crashes the process with a
segmentation fault when it is loaded after TensorFlow; loaded before it, both work.
"""

import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _TritonFirst(MetaPathFinder):
    """Loads triton at the moment when TensorFlow is about to be imported."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == "tensorflow":
            sys.meta_path.remove(self)
            with suppress(ImportError):  # not installed, as on a Mac: nothing to load, nothing to crash
                importlib.import_module("triton")
        return None


def make_import_order_safe() -> None:
    """Keep the process alive whichever of TensorFlow and PyTorch is imported first.

    TensorFlow not yet imported: triton will be loaded just before it. TensorFlow already there
    without triton: triton is declared absent, which PyTorch copes with (it only loses the GPU code
    generator of `torch.compile`).
    """
    if "triton" in sys.modules:
        return
    if "tensorflow" in sys.modules:
        sys.modules["triton"] = None  # type: ignore[assignment]
    else:
        sys.meta_path.insert(0, _TritonFirst())
