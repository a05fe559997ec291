"""The compact form of a sweep, in which it ships: for each run one JSON file, and one with its predictions."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base.errors import LabError
from labkit.base.files import write_bytes, write_text
from labkit.stats.sweeps import SeedResult, read_sweep

DECIMALS = 6  # of losses in the compact form; accuracies are kept as they are


def compact_sweep(folder: Path, target: Path) -> list[Path]:
    """Write the compact form of a sweep into a folder, `data/reference/sweeps` for the shipped one.

    Files of other runs there are left alone.

    Returns
    -------
    list of Path
        The JSON files.

    Raises
    ------
    LabError
        A run was swept with more than one set of settings, or on more than one machine.
    """
    results = read_sweep(folder)
    written = []
    for run_id in dict.fromkeys(result.run for result in results):
        of_run = [result for result in results if result.run == run_id]
        shared = [{**result.settings, **result.made_on} for result in of_run]
        if any(other != shared[0] for other in shared):
            raise LabError(f"{folder}: {run_id} was swept with several settings or on several machines: valid is one")
        content = {
            "run": run_id,
            **shared[0],
            "seconds": round(sum(r.seconds for r in of_run), 1),
            "seeds": [_seed_entry(r) for r in of_run],
        }
        path = target / f"{run_id}.json"
        packed = io.BytesIO()
        np.savez_compressed(packed, predictions=np.stack([r.predictions for r in of_run]), **_earlier(of_run))
        write_bytes(path.with_suffix(".npz"), packed.getvalue())
        write_text(path, json.dumps(content, indent=None, separators=(",", ":")).replace('{"seed"', '\n{"seed"') + "\n")
        written.append(path)
    return written


def _earlier(results: Sequence[SeedResult]) -> dict[str, Any]:
    """Return the predictions after each earlier epoch after which every seed has them."""
    epochs = set.intersection(*(set(r.earlier) for r in results))
    return {f"epoch_{epoch}": np.stack([r.earlier[epoch] for r in results]) for epoch in sorted(epochs)}


def _seed_entry(result: SeedResult) -> dict[str, Any]:
    return {
        "seed": result.seed,
        "test_accuracy": list(result.test_accuracy),
        "test_loss": [round(loss, DECIMALS) for loss in result.test_loss],
        "train_accuracy": result.train_accuracy,
        "train_loss": round(result.train_loss, DECIMALS),
        "seconds": round(result.seconds, 1),
        "threads": result.threads,
        "weights_sha256": result.weights_sha256,
    }
