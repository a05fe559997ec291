"""Keras or PyTorch by name: what works with both asks here, so that only the one in use is imported."""

from importlib import import_module
from types import ModuleType
from typing import Any


def framework(name: str) -> ModuleType:
    """Return `labkit.keras` or `labkit.torch`: they have the same functions under the same names.

    Parameters
    ----------
    name : {"keras", "torch"}
    """
    return import_module(f"labkit.{name}")


def framework_of(network: Any) -> str:
    """Return `torch` or `keras` for a network, without importing either."""
    homes = {base.__module__.partition(".")[0] for base in type(network).__mro__}
    return "torch" if "torch" in homes else "keras"
