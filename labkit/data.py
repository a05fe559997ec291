"""MNIST: find the four files, check them, read them into arrays."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labkit.errors import LabError
from labkit.paths import data_dir

# SHA-256 of the uncompressed IDX files. Not of the .gz: two compressors pack the same bytes differently.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

# The mean and standard deviation of the training pixels after division by 255: what the report's
# PyTorch runs subtract and divide by.
PIXEL_MEAN = 0.1307
PIXEL_STD = 0.3081

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageSet:
    """Images of 28x28 grey pixels with their labels, for training and for testing.

    Attributes
    ----------
    train_images, test_images : uint8 array, shape (n, 28, 28)
        Grey levels, 0 (paper) to 255 (ink).
    train_labels, test_labels : uint8 array, shape (n,)
        Classes, 0 to 9.
    class_names : tuple of str
        One name a class, in the order of the labels.
    """

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    class_names: tuple[str, ...] = tuple("0123456789")

    def first(self, train_images: int) -> "ImageSet":
        """Return the set with only its first `train_images` training images; the test set stays whole."""
        return ImageSet(
            self.train_images[:train_images],
            self.train_labels[:train_images],
            self.test_images,
            self.test_labels,
            self.class_names,
        )


def load_mnist(folder: str | Path | None = None) -> ImageSet:
    """Load MNIST: 60,000 training and 10,000 test images.

    Looks in `folder` if one is given. Otherwise in the project's `data/mnist/`, then in the per-user
    cache, and if the files are in neither, downloads them from the public mirrors into the cache.
    Every file is checked against its SHA-256 before a single pixel is used.

    Parameters
    ----------
    folder : str or Path, optional
        A folder that holds the four IDX files, gzipped or not.

    Returns
    -------
    ImageSet
        The images and labels, uint8.

    Raises
    ------
    LabError
        A file is missing, cut short or damaged (named, with the expected and the found sum), or no
        mirror could be reached.
    """
    return read_idx_folder(Path(folder) if folder is not None else _find_mnist(), MNIST_SHA256)


def _find_mnist() -> Path:
    shipped = data_dir() / "mnist"
    if any(_stored(shipped, name) for name in MNIST_SHA256):
        return shipped
    from labkit.download import cached_mnist  # requests and pooch are needed only for a download

    return cached_mnist()


def read_idx_folder(folder: Path, sums: dict[str, str] | None = None) -> ImageSet:
    """Read the four IDX files of a folder.

    Parameters
    ----------
    folder : Path
        Holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the two `t10k-` files, each
        plain or with `.gz` behind its name.
    sums : dict of str to str, optional
        The expected SHA-256 of each uncompressed file.

    Raises
    ------
    LabError
        A file is missing, does not match its sum, or is no IDX file of the expected kind.
    """
    content = {name: checked_content(folder, name, (sums or {}).get(name)) for name in MNIST_SHA256}
    arrays = {name: parse_idx(raw, name) for name, raw in content.items()}
    for part in ("train", "t10k"):
        images, labels = arrays[f"{part}-images-idx3-ubyte"], arrays[f"{part}-labels-idx1-ubyte"]
        if len(images) != len(labels):
            raise LabError(f"{folder}: {len(images)} {part} images but {len(labels)} labels")
    return ImageSet(
        arrays["train-images-idx3-ubyte"],
        arrays["train-labels-idx1-ubyte"],
        arrays["t10k-images-idx3-ubyte"],
        arrays["t10k-labels-idx1-ubyte"],
    )


def checked_content(folder: Path, name: str, expected: str | None) -> bytes:
    """Return the uncompressed bytes of one IDX file, after its SHA-256 has been checked.

    Raises
    ------
    LabError
        The file is missing, cannot be decompressed, or has another sum than `expected`.
    """
    path = _stored(folder, name)
    if path is None:
        raise LabError(f"{folder / name}.gz: no such file; all four MNIST files are needed, or none to download them")
    try:
        raw, intact = _decompress(path)
    except OSError as problem:
        raise LabError(f"{path}: cannot be read: {problem.strerror or problem}") from None
    found = hashlib.sha256(raw).hexdigest()
    if expected is not None and found != expected:
        fault = "damaged" if intact else "cut short or damaged"
        raise LabError(f"{path}: {fault}: expected SHA-256 {expected}, found {found}")
    if not intact:
        raise LabError(f"{path}: cut short or damaged: it does not decompress")
    return raw


def _stored(folder: Path, name: str) -> Path | None:
    for path in (folder / f"{name}.gz", folder / name):
        if path.exists():
            return path
    return None


def _decompress(path: Path) -> tuple[bytes, bool]:
    """Return what can be read of a file, and whether that was all of it."""
    if path.suffix != ".gz":
        return path.read_bytes(), True
    parts: list[bytes] = []
    try:
        with gzip.open(path) as stream:
            while part := stream.read(1 << 20):
                parts.append(part)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b"".join(parts), False
    return b"".join(parts), True


def parse_idx(raw: bytes, name: str) -> Bytes:
    """Parse the content of an IDX file of unsigned bytes.

    Parameters
    ----------
    raw : bytes
        The uncompressed file: two zero bytes, the type code 8, the number of dimensions, each size as
        a big-endian 32-bit integer, then the values.
    name : str
        Shown in errors; a name with `idx3` must hold 28x28 images, one with `idx1` labels.

    Returns
    -------
    uint8 array
        Shape (n, 28, 28) or (n,). Read-only views of `raw` are never returned: the array is a copy.

    Raises
    ------
    LabError
        The header is not that of such a file, or promises more or fewer values than there are.
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
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape).copy()
