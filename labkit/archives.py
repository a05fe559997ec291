"""Model files are zip archives: look inside before a framework does."""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import Literal

from labkit.errors import LabError

Kind = Literal["keras", "torch"]

# A zip archive ends in a record of 22 bytes, whose last two tell the length of the comment behind it.
_END_MARK, _END_LENGTH = b"PK\x05\x06", 22
_SEAL_MARK = b"labkit-sha256:"
_SEAL_LENGTH = len(_SEAL_MARK) + 64


def seal(archive: bytes) -> bytes:
    """Return a zip archive with the SHA-256 of all its bytes as its comment; any reader still opens it.

    The checksums inside cover the parts, but not what tells where they lie.
    """
    opened = archive[:-2] + _SEAL_LENGTH.to_bytes(2, "little")
    return opened + _seal_of(opened)


def _seal_of(content: bytes) -> bytes:
    return _SEAL_MARK + hashlib.sha256(content).hexdigest().encode()


def _seal_is_broken(content: bytes) -> bool:
    """Tell whether a file has another end than a framework's own save or an intact seal."""
    unsealed = content[-_END_LENGTH:].startswith(_END_MARK) and content.endswith(b"\0\0")
    return not unsealed and content[-_SEAL_LENGTH:] != _seal_of(content[:-_SEAL_LENGTH])


def model_kind(path: str | Path) -> Kind:
    """Tell which framework wrote a model file, after checking that the archive is whole.

    Both formats are zip archives with a checksum a part, which PyTorch does not check when it loads: a
    flipped bit would go unnoticed. Files that labkit saved have a checksum of the whole as well.

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
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        raise LabError(f"{path}: not a model file, or cut short or damaged; valid are .keras and .pth files") from None
    if damaged is not None:
        raise LabError(f"{path}: damaged: the checksum of its part {damaged!r} does not match")
    if _seal_is_broken(content):
        raise LabError(f"{path}: damaged: the checksum of the file does not match")
    if "config.json" in names and "model.weights.h5" in names:
        return "keras"
    if any(name.endswith("/data.pkl") for name in names):
        return "torch"
    raise LabError(f"{path}: an archive, but not of a Keras or PyTorch model")
