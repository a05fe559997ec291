"""What several test modules need and no fixture can be: small IDX folders, and commands in processes of their own."""

import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.data.idx import MNIST_SHA256

STROKE_TO_PICTURE_S = 0.1


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return the content of an IDX file of unsigned bytes."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def small_idx_files(train: int = 30, test: int = 10) -> dict[str, bytes]:
    """Return the content of four small IDX files of random images, by name."""
    random = np.random.default_rng(0)
    content = {}
    for name in MNIST_SHA256:
        count = train if name.startswith("train") else test
        shape, values = ((count, 28, 28), 256) if "idx3" in name else ((count,), 10)
        content[name] = idx_bytes(random.integers(0, values, shape, np.uint8))
    return content


def write_idx_folder(folder: Path, content: dict[str, bytes]) -> Path:
    """Write IDX files, gzipped, into a folder that is made for them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in content.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(raw, mtime=0))
    return folder


def run_python(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python code in a process of its own."""
    return run_command([sys.executable, "-c", code], **environment)


def run_command(command: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, with captured output."""
    settings: dict[str, Any] = {"capture_output": True, "text": True, "check": False, "timeout": 300}
    return subprocess.run(command, env=os.environ | environment, **settings)


def labkit_command(*arguments: str) -> list[str]:
    """Return the command line of the `labkit` that is installed beside this Python."""
    return [str(Path(sys.executable).parent / "labkit"), *arguments]
