"""Model files are zip archives: look inside before a framework does."""

import zipfile
import zlib
from pathlib import Path
from typing import Literal

from labkit.errors import LabError

Kind = Literal["keras", "torch"]


def model_kind(path: str | Path) -> Kind:
    """Tell which framework wrote a model file, after checking that the archive is whole.

    Both formats are zip archives with a checksum an entry, which neither framework checks when it
    loads: a flipped bit would go unnoticed.

    Parameters
    ----------
    path : str or Path
        A `.keras` or `.pth` file.

    Returns
    -------
    {"keras", "torch"}

    Raises
    ------
    LabError
        One line: the file is missing, a folder, empty, cut short, damaged, or no model file.
    """
    path = Path(path)
    if not path.exists():
        near = sorted(p.name for p in path.parent.iterdir() if p.suffix == path.suffix) if path.parent.is_dir() else []
        there = f"; there are {', '.join(near[:8])}" if near else ""
        raise LabError(f"{path}: no such model file{there}")
    if path.is_dir():
        raise LabError(f"{path}: a folder; a model is one file, .keras or .pth")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        raise LabError(f"{path}: not a model file, or cut short or damaged; valid are .keras and .pth files") from None
    if damaged is not None:
        raise LabError(f"{path}: damaged: the checksum of its part {damaged!r} does not match")
    if "config.json" in names and "model.weights.h5" in names:
        return "keras"
    if any(name.endswith("/data.pkl") for name in names):
        return "torch"
    raise LabError(f"{path}: an archive, but not of a Keras or PyTorch model")
