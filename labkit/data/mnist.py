"""MNIST: check the four files, read them into arrays."""

from dataclasses import dataclass, replace
from pathlib import Path

from labkit.base.errors import LabError
from labkit.base.paths import data_dir
from labkit.data.idx import MNIST_SHA256, Bytes, checked_content, parse_idx

# The mean and standard deviation of the training pixels after division by 255: what the report's
# PyTorch runs subtract and divide by.
PIXEL_MEAN = 0.1307
PIXEL_STD = 0.3081

MNIST = "mnist"  # of the notebooks' parameter `dataset`; anything else there is a folder


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
        One name per class, in the order of the labels.
    """

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    class_names: tuple[str, ...] = tuple("0123456789")

    def first(self, train_images: int) -> "ImageSet":
        """Return the set with only its first `train_images` training images; the test set stays whole."""
        return replace(
            self, train_images=self.train_images[:train_images], train_labels=self.train_labels[:train_images]
        )


def load_mnist(folder: str | Path | None = None) -> ImageSet:
    """Load MNIST: 60,000 training and 10,000 test images.

    Every file is checked against its SHA-256 before a single pixel is used.

    Parameters
    ----------
    folder : str or Path, optional
        A folder that holds the four IDX files, gzipped or not; by default the one that comes with labkit.

    Returns
    -------
    ImageSet
        The images and labels, uint8.

    Raises
    ------
    LabError
        A file is missing, cut short or damaged: it is named, with the expected and the found sum.
    """
    return read_idx_folder(data_dir() / "mnist" if folder is None else Path(folder), MNIST_SHA256)


def load_idx(folder: str | Path) -> ImageSet:
    """Load another set of 28x28 images in MNIST's format: Fashion-MNIST, KMNIST, or one of your own.

    Parameters
    ----------
    folder : str or Path
        Holds the four IDX files under MNIST's names, gzipped or not. The lines of a `classes.txt` beside them
        name the ten classes, in the order of the labels; without that file they are called 0 to 9.

    Returns
    -------
    ImageSet

    Raises
    ------
    LabError
        A file is missing or damaged, a label is above 9 (the networks have ten outputs), or there are not ten
        names.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LabError(f"{folder}: no such folder; a data set is a folder with four IDX files")
    data = read_idx_folder(folder)
    names = _class_names(folder)
    if len(names) != 10:
        raise LabError(f"{folder}: {len(names)} class names; valid are ten, in the order of the labels")
    return replace(data, class_names=names)


def _class_names(folder: Path) -> tuple[str, ...]:
    listed = folder / "classes.txt"
    if not listed.exists():
        return ImageSet.class_names
    try:
        lines = listed.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as problem:
        raise LabError(f"{listed}: not readable: {problem}") from None
    return tuple(line.strip() for line in lines if line.strip())


def read_idx_folder(folder: Path, sums: dict[str, str] | None = None) -> ImageSet:
    """Read the four IDX files of a folder, each plain or gzipped; `sums` are the SHA-256 of their content, by name."""
    content = {name: checked_content(folder, name, (sums or {}).get(name)) for name in MNIST_SHA256}
    arrays = {name: parse_idx(raw, name) for name, raw in content.items()}
    for part in ("train", "t10k"):
        images, labels = arrays[f"{part}-images-idx3-ubyte"], arrays[f"{part}-labels-idx1-ubyte"]
        if len(images) != len(labels):
            raise LabError(f"{folder}: {len(images)} {part} images but {len(labels)} labels")
        if not len(images):
            raise LabError(f"{folder}: no {part} images: the files are empty")
    train_images, train_labels, test_images, test_labels = arrays.values()  # in the order of `MNIST_SHA256`
    return ImageSet(train_images, train_labels, test_images, test_labels)
