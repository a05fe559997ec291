"""Download MNIST from the public mirrors into a per-user cache, whole or not at all."""

import gzip
import os
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pooch
import requests
from filelock import FileLock

from labkit.errors import LabError
from labkit.idx import MNIST_SHA256, checked_content

# Folders that hold the four .gz files: the mirrors that torchvision and TensorFlow Datasets use.
IDX_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# One archive with all four arrays: what `keras.datasets.mnist` downloads.
NPZ_MIRRORS = ("https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",)

ATTEMPTS = 3
TIMEOUT_S = 30.0


def cached_mnist(
    cache: Path | None = None,
    idx_mirrors: Sequence[str] = IDX_MIRRORS,
    npz_mirrors: Sequence[str] = NPZ_MIRRORS,
    wait_s: float = 1.0,
) -> Path:
    """Return a folder with the four MNIST files, downloading them first where it lacks one.

    Parameters
    ----------
    cache : Path, optional
        The folder to keep them in; by default `mnist/` in the per-user cache of labkit, or in
        `LABKIT_CACHE`.
    idx_mirrors : sequence of str
        Addresses, ending in a slash, under which the four `.gz` files lie; tried in order.
    npz_mirrors : sequence of str
        Addresses of Keras's `mnist.npz`; tried after the others.
    wait_s : float
        Seconds before the first repetition at one mirror; doubled before the next.

    Returns
    -------
    Path
        The folder. A second process that asks at the same time waits for the first one's copy.

    Raises
    ------
    LabError
        No mirror gave intact files (each one's problem is named), or the cache cannot be written.
    """
    folder = cache or Path(os.environ.get("LABKIT_CACHE") or pooch.os_cache("labkit")) / "mnist"
    if _complete(folder):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if not _complete(folder):
                _download(folder, idx_mirrors, npz_mirrors, wait_s)
    except OSError as problem:
        raise LabError(f"{folder}: the MNIST cache cannot be written: {problem.strerror or problem}") from None
    return folder


def _complete(folder: Path) -> bool:
    return all((folder / f"{name}.gz").exists() for name in MNIST_SHA256)


def _download(folder: Path, idx_mirrors: Sequence[str], npz_mirrors: Sequence[str], wait_s: float) -> None:
    """Fill the folder from the first mirror that gives intact files."""
    sources: list[tuple[str, Callable[[str, Path], None]]] = [(address, _fetch_idx) for address in idx_mirrors]
    sources += [(address, _fetch_npz) for address in npz_mirrors]
    problems = []
    for address, fetch in sources:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(wait_s * 2 ** (attempt - 1))
            # in the cache's own folder, so that the final rename stays on one file system
            with tempfile.TemporaryDirectory(dir=folder) as partial:
                try:
                    fetch(address, Path(partial))
                    for name, expected in MNIST_SHA256.items():
                        checked_content(Path(partial), name, expected)
                except requests.HTTPError as problem:
                    status = problem.response.status_code
                    problems.append(f"{address} answered {status}")
                    if status < 500:
                        break  # 403 and 404 do not pass by themselves: on to the next mirror
                except (requests.RequestException, LabError, ValueError) as problem:
                    problems.append(f"{address} {_reason(problem)}")
                else:
                    for name in MNIST_SHA256:
                        os.replace(Path(partial) / f"{name}.gz", folder / f"{name}.gz")
                    return
    tried = "; ".join(dict.fromkeys(problems))
    raise LabError(f"MNIST could not be downloaded: {tried}. Put the four .gz files into {folder} by hand")


def _reason(problem: Exception) -> str:
    if isinstance(problem, requests.Timeout):
        return "did not answer in time"
    if isinstance(problem, requests.RequestException):
        return f"could not be reached or cut off ({type(problem).__name__})"
    return "sent something else than MNIST"


def _retrieve(address: str, target: Path) -> None:
    # not pooch.retrieve: what counts is the content, whoever packed it, and the caller checks that
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT_S)
    downloader(address, str(target), None)


def _fetch_idx(address: str, partial: Path) -> None:
    for name in MNIST_SHA256:
        _retrieve(f"{address}{name}.gz", partial / f"{name}.gz")


def _fetch_npz(address: str, partial: Path) -> None:
    archive = partial / "mnist.npz"
    _retrieve(address, archive)
    parts = {"train-images-idx3-ubyte": "x_train", "train-labels-idx1-ubyte": "y_train"}
    parts |= {"t10k-images-idx3-ubyte": "x_test", "t10k-labels-idx1-ubyte": "y_test"}
    try:
        with np.load(archive, allow_pickle=False) as arrays:
            found = {name: arrays[key].astype(np.uint8) for name, key in parts.items()}
    except (KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise ValueError(f"not Keras's mnist.npz: {problem}") from None
    for name, values in found.items():
        header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
        # level 1: a cache need not be small, and level 9 takes a minute
        packed = gzip.compress(header + values.tobytes(), compresslevel=1, mtime=0)
        (partial / f"{name}.gz").write_bytes(packed)
