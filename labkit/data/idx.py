"""The four IDX files of MNIST: find one, check it, parse it."""

import hashlib
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import LabError

# SHA-256 of the uncompressed IDX files. Not of the .gz: two compressors pack the same bytes differently.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

CLASSES = 10

Bytes = NDArray[np.uint8]


def checked_content(folder: Path, name: str, expected: str | None) -> bytes:
    """Return the uncompressed bytes of one IDX file, after its SHA-256 has been checked where one is expected."""
    path = folder / f"{name}.gz"
    try:
        if not path.exists() and (folder / name).exists():
            path = folder / name
        raw, intact = _decompress(path)
    except FileNotFoundError:
        raise LabError(f"{path}: no such file; all four MNIST files are needed") from None
    except OSError as problem:
        raise LabError(f"{path}: cannot be read: {problem.strerror or problem}") from None
    found = hashlib.sha256(raw).hexdigest()
    if expected is not None and found != expected:
        fault = "damaged" if intact else "cut short or damaged"
        raise LabError(f"{path}: {fault}: expected SHA-256 {expected}, found {found}")
    if not intact:
        # the pixels are all there: what is wrong are the checksum or the length at the end of the .gz, or what follows
        sums = f"expected SHA-256 {expected}, found the same" if expected else f"found SHA-256 {found}"
        raise LabError(f"{path}: cut short or damaged: its gzip packing does not check out ({sums})")
    return raw


def _decompress(path: Path) -> tuple[bytes, bool]:
    """Return what can be read of a file, and whether that was all of it."""
    if path.suffix != ".gz":
        return path.read_bytes(), True
    parts: list[bytes] = []
    unpack = zlib.decompressobj(wbits=31)  # gzip, with its checksum
    with path.open("rb") as stream:
        while packed := stream.read(1 << 16):
            try:
                parts.append(unpack.decompress(packed))
            except zlib.error:
                return b"".join(parts), False
    return b"".join(parts), unpack.eof and not unpack.unused_data


def parse_idx(raw: bytes, name: str) -> Bytes:
    """Parse the uncompressed content of an IDX file of unsigned bytes.

    The file holds two zero bytes, the type code 8, the number of dimensions, each size as a big-endian 32-bit
    integer, then the values. A file with `idx3` in its name holds 28x28 images, one with `idx1` labels from 0 to 9.

    Returns
    -------
    uint8 array, shape (n, 28, 28) or (n,)
        A copy, which can be written to.
    """
    dimensions = 3 if "idx3" in name else 1
    header = 4 + 4 * dimensions
    if len(raw) < header or raw[:4] != bytes([0, 0, 8, dimensions]):
        raise LabError(
            f"{name}: not an IDX file of unsigned bytes in {dimensions} dimensions: it starts with {raw[:4].hex()}"
        )
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", dimensions, offset=4))
    if dimensions == 3 and shape[1:] != (28, 28):
        raise LabError(f"{name}: images of {shape[1]}x{shape[2]} pixels; the networks take 28x28")
    values = int(np.prod(shape, dtype=np.int64))
    if len(raw) - header != values:
        raise LabError(f"{name}: the header promises {values} values, the file holds {len(raw) - header}")
    array = np.frombuffer(raw, np.uint8, offset=header).reshape(shape).copy()
    if dimensions == 1 and values and array.max() >= CLASSES:
        raise LabError(f"{name}: holds the label {array.max()}: valid are 0 to {CLASSES - 1}")
    return array
