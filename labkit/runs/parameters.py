"""The parameters that notebooks take: their names, types and meanings, and the check of what is given."""

import ast
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from labkit.base.errors import LabError, unknown
from labkit.runs.plans import PROFILES

TAG = "parameters"


@dataclass(frozen=True)
class Parameter:
    """A notebook parameter: the types it may have, what it means, and between which numbers it must lie."""

    types: tuple[type, ...]
    meaning: str
    lowest: float | None = None
    highest: float = float("inf")
    lowest_is_valid: bool = True

    def type_names(self) -> str:
        """Return the types as a user would name them."""
        names = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
        return " or ".join("None" if t is NONE else names[t] for t in self.types)

    def check(self, name: str, value: Any) -> None:
        """Refuse a value of a wrong type or out of range: a `LabError` says what is valid."""
        # bool is a subclass of int in Python, but True is no seed; a whole number is a fine float
        fits = type(value) in self.types or (type(value) is int and float in self.types)
        if not fits:
            raise LabError(
                f"parameter {name} is {_shown(value)} ({type(value).__name__}): valid is {self.type_names()}"
            )
        if self.lowest is not None and value is not None and not self._in_range(value, self.lowest):
            raise LabError(f"parameter {name} is {_shown(value)}: valid are {self._range(self.lowest)}")
        if name == "profile" and value not in PROFILES:
            raise unknown("profile", value, PROFILES)

    def _in_range(self, value: float, lowest: float) -> bool:
        above = value >= lowest if self.lowest_is_valid else value > lowest
        return above and (value <= self.highest if isfinite(self.highest) else value <= sys.float_info.max)

    def _range(self, lowest: float) -> str:
        kind = "numbers" if float in self.types else "whole numbers"
        start = f"from {lowest:g}" if self.lowest_is_valid else f"above {lowest:g}"
        if isfinite(self.highest):
            return f"{kind} {start} to {self.highest}"
        return f"finite {kind} {start}" + (" up" if self.lowest_is_valid else "")


def _shown(value: Any) -> str:
    """Return a value as one short line, whatever it is."""
    try:
        shown = " ".join(repr(value).split())
    except Exception:  # Python refuses to print a number of 5,000 digits, and a foreign object may do anything
        return "a value that cannot be shown"
    return shown if len(shown) <= 60 else shown[:57] + "..."


NONE: type = type(None)

# Every parameter of every notebook. A notebook's `parameters` cell gives it a default.
PARAMETERS: dict[str, Parameter] = {
    "seed": Parameter((int,), "seed of the initial weights, the data order and dropout", 0, 2**32 - 1),
    "profile": Parameter((str,), "how much is run: quick, full, or auto (full on a GPU, quick without one)"),
    "epochs": Parameter((int, NONE), "passes over the training images; None: as many as the profile says", 1, 999),
    "learning_rate": Parameter((float,), "step size of gradient descent", 0.0, lowest_is_valid=False),
    "batch_size": Parameter((int,), "images per training step", 1, 60_000),
    "dataset": Parameter((str,), "mnist, or a folder with the four IDX files of another set of 28x28 images"),
    "digit": Parameter((int,), "index of the test image that is followed through the network", 0, 9_999),
    "resume": Parameter((bool,), "go on from the state that an earlier, cut-off run left in `out`"),
    "seeds": Parameter((int,), "seeds of a sweep, counted from 0", 1, 1000),
    "out": Parameter((str,), "folder for models, results and figures; relative to the current folder"),
}


def notebook_parameters(path: Path) -> dict[str, Any]:
    """Return the parameters of a notebook with their defaults, from its cell tagged `parameters`.

    That cell holds one assignment of a literal per line, to names of `PARAMETERS`.

    Raises
    ------
    LabError
        The file is no notebook, or the cell is missing or holds anything else.
    """
    import nbformat  # of the extra `report`: a notebook does without

    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as problem:  # nbformat raises whatever its JSON or schema layer meets
        raise LabError(f"{path}: not a readable notebook ({type(problem).__name__})") from None
    cells = [c for c in notebook.cells if TAG in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise LabError(f"{path}: {len(cells)} cells are tagged `parameters`; valid is one")
    try:
        defaults = assignments(cells[0].source)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise LabError(
            f"{path}: its parameters cell cannot be read: valid are lines like `seed = 1`, with a number, a string, "
            "True, False or None"
        ) from None
    for name in defaults:
        if name not in PARAMETERS:
            raise LabError(f"{path}: {unknown('parameter', name, PARAMETERS)} (those of labkit/runs/parameters.py)")
    return defaults


def assignments(source: str) -> dict[str, Any]:
    """Return the names and values of a cell that holds nothing but assignments of literals.

    Raises
    ------
    SyntaxError, ValueError, TypeError, MemoryError, RecursionError
        It holds anything else, or is no Python.
    """
    found: dict[str, Any] = {}
    for line in ast.parse(source).body:
        match line:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found[name] = ast.literal_eval(value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = ast.literal_eval(value)
            case _:
                raise ValueError("more than assignments")
    return found


def check_parameters(given: Mapping[str, Any], valid: Mapping[str, Any]) -> None:
    """Refuse parameters that a notebook does not have, or of a wrong type.

    Raises
    ------
    LabError
        One line, for the first one that is wrong.
    """
    for name, value in given.items():
        if name not in valid:
            raise unknown("parameter", name, valid)
        PARAMETERS[name].check(name, value)


def parse_pairs(pairs: Sequence[tuple[str, str]], valid: Mapping[str, Any]) -> dict[str, Any]:
    """Turn pairs of name and text into typed values; of a name that is given twice, the last value counts.

    Raises
    ------
    LabError
        A name is unknown, or a value is not of its type.
    """
    parsed = {name: _parse_value(name, text) for name, text in pairs}
    check_parameters(parsed, valid)
    return parsed


def _parse_value(name: str, text: str) -> Any:
    """Read a text as the first type of the parameter that it fits; a text that fits none stays one."""
    words: dict[type, dict[str, Any]] = {bool: {"true": True, "false": False}, NONE: {"none": None, "null": None}}
    for kind in PARAMETERS[name].types if name in PARAMETERS else ():
        try:
            return words[kind][text.lower()] if kind in words else kind(text)
        except (KeyError, ValueError):
            continue
    return text
