"""Write files that appear whole or not at all."""

import os
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import LabError


@contextmanager
def whole_file(path: Path, fault: str = "cannot be written") -> Iterator[Path]:
    """Give the block a temporary name to write to, and rename that to `path` when it ends well.

    The folder of `path` is made where needed; `fault` is what the error says of `path`.

    Raises
    ------
    LabError
        The disk is full or read-only; an earlier file under `path` is left as it was.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as problem:
        raise LabError(f"{path}: {fault}: {problem.strerror or problem}") from None
    finally:
        with suppress(OSError):  # renamed away when all went well; left by a full disk or by Ctrl-C
            partial.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder where it is missing, to find out before hours of work that it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise LabError(f"{folder}: the folder cannot be written: {problem.strerror or problem}") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file with `whole_file`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of bytes with `whole_file`."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


def save_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write named arrays as a compressed `.npz` with `whole_file`."""
    with whole_file(path) as partial, open(partial, "wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # an array may be called `allow_pickle`


def load_array(path: Path, name: str, fault: str) -> NDArray[Any]:
    """Read one array of an `.npz`; `fault` is what the error says where it is missing or damaged."""
    arrays = load_arrays(path, fault, [name])
    if name not in arrays:
        raise LabError(f"{path}: {fault}")
    return arrays[name]


def load_arrays(path: Path, fault: str, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read the arrays of an `.npz`, all or those of these names that it has; `fault` as in `load_array`."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if names is None or name in names}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        raise LabError(f"{path}: {fault}") from None
