"""Model files are zip archives of weights with a label: look inside before a framework does.

The label, `labkit.json`, says which of labkit's networks the weights belong to. Loading builds that network from
labkit's own code, whatever release of Keras or PyTorch wrote the file, and only reads the weights.
"""

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from labkit.base.errors import LabError, one_line

Kind = Literal["keras", "torch"]
Shapes = Mapping[str, tuple[int, ...]]

FORMAT = 1
# Both frameworks pass over a part that they do not know; PyTorch wants all parts in one folder.
LABELS: dict[Kind, str] = {"keras": "labkit.json", "torch": "archive/labkit.json"}
FRAMEWORKS: dict[Kind, str] = {"keras": "Keras", "torch": "PyTorch"}


@dataclass(frozen=True)
class Label:
    """What a model file says about its weights.

    Attributes
    ----------
    network, activation : str or None
        As `build` takes them; None for a network that labkit does not build.
    mean, std : float
        Of the pixel normalisation that the network was trained with.
    format : int
        Version of the label itself.
    """

    framework: Kind
    weights_sha256: str
    network: str | None = None
    activation: str | None = None
    mean: float = 0.0
    std: float = 1.0
    format: int = FORMAT


def labelled(archive: bytes, label: Label) -> bytes:
    """Return a model archive with a label as one more part; its framework still opens it."""
    packed = io.BytesIO(archive)
    with zipfile.ZipFile(packed, "a") as opened:
        # without a date: the same weights give the same part
        opened.writestr(zipfile.ZipInfo(LABELS[label.framework]), json.dumps(asdict(label), indent=1))
    return packed.getvalue()


def read_label(path: str | Path, framework: Kind) -> Label | None:
    """Return the label of a whole model file of one framework, or None where labkit did not write the file.

    Raises
    ------
    LabError
        One line: see `model_kind`; or the file is of the other framework or of a newer labkit, or its label
        is damaged.
    """
    kind = model_kind(path)
    if kind != framework:
        raise LabError(f"{path}: a {FRAMEWORKS[kind]} model, not a {FRAMEWORKS[framework]} one")
    with zipfile.ZipFile(path) as archive:
        if LABELS[kind] not in archive.namelist():
            return None
        content = archive.read(LABELS[kind])
    damaged = LabError(f"{path}: damaged: its {LABELS[kind]} cannot be read")
    try:
        fields = json.loads(content)
        version = fields["format"]
        if isinstance(version, int) and version > FORMAT:
            raise LabError(f"{path}: in format {version} of a newer labkit; this one reads format {FORMAT}: update it")
        label = Label(**fields)
        valid = math.isfinite(label.mean) and 0 < label.std < math.inf
    except (ValueError, TypeError, KeyError, RecursionError):
        raise damaged from None
    texts = (label.network, label.activation)
    if not valid or (label.framework, version) != (kind, FORMAT) or not all(isinstance(t, str | None) for t in texts):
        raise damaged
    return label


def check_weights(path: str | Path, found: Shapes, expected: Shapes) -> None:
    """Check that a file holds exactly the weights of a network; a `LabError` says which are wrong."""
    if missing := [name for name in expected if name not in found]:
        raise LabError(f"{path}: its network has {len(expected)} weights; missing in the file: {_some(missing)}")
    if more := [name for name in found if name not in expected]:
        raise LabError(f"{path}: its network has {len(expected)} weights; too many in the file: {_some(more)}")
    for name, shape in expected.items():
        if found[name] != shape:
            raise LabError(f"{path}: its weights {name!r} have the shape {found[name]}; valid is {shape}")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(one_line(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def model_kind(path: str | Path) -> Kind:
    """Tell which framework wrote a model file, after checking that the archive is whole.

    Both formats are zip archives with a checksum for each part, which PyTorch does not check when it loads: a
    flipped bit would go unnoticed.

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
