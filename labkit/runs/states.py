"""The full state of a training run on disk: what `resume` needs, and nothing that can run code."""

import hashlib
import json
import os
import random
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from labkit.base.errors import LabError
from labkit.base.files import whole_file
from labkit.runs.history import History, Recipe

Arrays = dict[str, NDArray[Any]]


def hash_arrays(arrays: Iterable[NDArray[Any]]) -> str:
    """Return the SHA-256 of arrays in their order: dtype, shape and bytes of each."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def python_random_states() -> dict[str, Any]:
    """Return the random states of Python and of NumPy's global generator, ready for JSON."""
    version, internal, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(internal), gauss],
        "numpy": [np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
    }


def restore_python_random_states(states: Mapping[str, Any]) -> None:
    """Put Python's and NumPy's generators back to what `python_random_states` gave."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state(("MT19937", np.array(keys, np.uint32), position, has_gauss, cached))


def save_state(path: Path, arrays: Arrays, about: Mapping[str, Any]) -> None:
    """Write a state under a temporary name, flush it to the disk and rename it.

    `arrays` are weights, optimizer slots and random states; `about` is everything else, ready for JSON.

    Raises
    ------
    LabError
        The disk is full or read-only; an earlier state under `path` is left as it was.
    """
    metadata = {"about": json.dumps(about), "sha256": _digest(arrays, json.dumps(about))}
    with whole_file(path, "the training state cannot be saved") as partial, open(partial, "wb") as stream:
        stream.write(save_safetensors({k: np.array(v, order="C") for k, v in arrays.items()}, metadata))
        stream.flush()
        os.fsync(stream.fileno())


def load_state(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Read a state that `save_state` wrote.

    Raises
    ------
    LabError
        The file is missing, cut short, damaged or something else.
    """
    try:
        raw = path.read_bytes()
        arrays = load_safetensors(raw)
        size = int.from_bytes(raw[:8], "little")
        metadata = json.loads(raw[8 : 8 + size])["__metadata__"]
        about, expected = metadata["about"], metadata["sha256"]
    except OSError as problem:
        raise LabError(f"{path}: no readable training state: {problem.strerror or problem}") from None
    except (SafetensorError, ValueError, KeyError, TypeError):
        raise LabError(f"{path}: not a training state, or cut short") from None
    if _digest(arrays, about) != expected:
        raise LabError(f"{path}: the training state is damaged: its SHA-256 does not match; delete it to train anew")
    return arrays, json.loads(about)


def _digest(arrays: Arrays, about: str) -> str:
    named = [part for name in sorted(arrays) for part in (np.frombuffer(name.encode(), np.uint8), arrays[name])]
    return hash_arrays([*named, np.frombuffer(about.encode(), np.uint8)])


def saved_states(folder: Path) -> dict[int, Path]:
    """Return the files of the states in a folder by the number of epochs trained; stray files are left out."""
    names = ((path, re.fullmatch(r"epoch-(\d+)\.safetensors", path.name)) for path in folder.glob("epoch-*"))
    return {int(name[1]): path for path, name in names if name}


class StateKeeper:
    """Saves a run's state after every epoch, and finds the one to go on from.

    The states of a run lie in a folder named for what made them (network and recipe), so that a run
    never goes on from the state of another. The newest is kept in memory as well, as `last`: an interrupted run goes
    back to it. Without a folder nothing else is kept, and without `resume` earlier states of the run are removed.
    """

    def __init__(self, folder: str | Path | None, recipe: Recipe, architecture: str, resume: bool) -> None:
        # not by the number of epochs: a longer run goes on from a shorter one
        made_by = json.dumps([asdict(replace(recipe, epochs=0)), architecture])
        self.name = hashlib.sha256(made_by.encode()).hexdigest()[:16]
        self.folder = Path(folder) / self.name if folder is not None else None
        self.resumed_from = 0
        self.last: tuple[Arrays, dict[str, Any]] | None = None
        if self.folder is not None and not resume:
            shutil.rmtree(self.folder, ignore_errors=True)

    def newest(self, epochs: int) -> tuple[Arrays, dict[str, Any]] | None:
        """Return the newest state of this run up to `epochs`, or None where there is none.

        Raises
        ------
        LabError
            The state is damaged, or belongs to another run.
        """
        states = saved_states(self.folder) if self.folder is not None else {}
        usable = [epoch for epoch in states if epoch <= epochs]
        if not usable:
            return None
        path = states[max(usable)]
        arrays, about = load_state(path)
        if about.get("run", self.name) != self.name:
            raise LabError(f"{path}: the training state of another network or recipe; delete it to train anew")
        self.resumed_from = about["epoch"]
        self.last = arrays, about
        return arrays, about

    def save(self, epoch: int, arrays: Arrays, history: History) -> None:
        """Save the state after an epoch and delete the earlier ones, but for the one that was resumed from."""
        about = {"run": self.name, "epoch": epoch, "history": history.to_dict(), "random": python_random_states()}
        self.last = {name: array.copy() for name, array in arrays.items()}, about
        if self.folder is None:
            return
        save_state(self.folder / f"epoch-{epoch:03d}.safetensors", arrays, about)
        for saved, path in saved_states(self.folder).items():
            if saved < epoch and saved != self.resumed_from:
                path.unlink(missing_ok=True)
