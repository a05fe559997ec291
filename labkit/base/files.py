"""Write files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labkit.base.errors import LabError


@contextmanager
def whole_file(path: Path, fault: str = "cannot be written") -> Iterator[Path]:
    """Give the block a temporary name to write to, and rename that to `path` when it ends well.

    Parameters
    ----------
    path : Path
        Its folder is made where needed.
    fault : str
        What the error says of `path`.

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


def write_text(path: Path, text: str) -> None:
    """Write a text file, making its folder where needed; it appears whole or not at all.

    Raises
    ------
    LabError
        The disk is full or read-only; an earlier file under `path` is left as it was.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of bytes, as `write_text` does."""
    with whole_file(path) as partial:
        partial.write_bytes(content)
