"""`labkit bench`: this project's training loops beside the plain ones, measured in turn.

Each measurement runs in a process of its own, so that its peak memory is its own and the memory setting of the fast
loop (`labkit.base.memory`) does not help the plain one. The loops of a network take turns, a few dozen batches each, so
that whatever else the computer does hits all of them alike.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from labkit.base.errors import LabError, unknown
from labkit.base.files import write_text
from labkit.base.own_process import run_apart
from labkit.bench.worker import Measurement, StockFit, keras_json, measure_goal, measure_loop, measure_stock_fit
from labkit.runs.computer import environment
from labkit.runs.registry import BATCH_SIZE

LOOPS = {
    "torch": ("labkit", "DataLoader, 0 workers", "DataLoader, 2 workers"),
    "keras": ("labkit", "model.fit"),
}
NETWORKS = {
    "lenet-dropout": "torch",
    "deep-bn": "torch",
    "keras-twin": "torch",
    "baseline": "keras",
    "extra-conv": "keras",
    "leaky": "keras",
}
GOALS = {"99.0%": 30, "99.5%": 5}  # of notebook 08's ladder, and the seeds that they are measured with
TRAIN_IMAGES = 60_000
EPOCH_BATCHES = -(-TRAIN_IMAGES // BATCH_SIZE)
PRECISION = "float32, TF32 off"  # in every loop and in the matrix product; the goals may use TF32
WARM_UP = "each loop runs before each measurement; a DataLoader's first 5 batches are not counted"


@dataclass(frozen=True)
class Row:
    """What was measured of one loop with one network.

    Attributes
    ----------
    seconds, fastest, slowest : float
        Of an epoch of 60,000 images: the median of the measurements, and their spread.
    arithmetic_share : float
        Of the rate that a large matrix product attains on the device, from 0 to 1.
    memory : float
        The peak of the loop's process, in MiB: interpreter, framework and data included, a DataLoader's workers not.
        On a CUDA GPU, that of the GPU.
    ratio : float
        Seconds of this loop over those of labkit's.

    `model.fit` counts from the beginning of its epoch to the end of the last batch; `run_bench` gives the rest.
    """

    framework: str
    network: str
    loop: str
    seconds: float
    fastest: float
    slowest: float
    images_per_second: float
    arithmetic_share: float
    memory: float
    ratio: float


def run_bench(networks: Sequence[str] = (), repeats: int = 5, batches: int = 60) -> dict[str, Any]:
    """Measure the loops of some networks.

    Parameters
    ----------
    networks : sequence of str
        Keys of `NETWORKS` and `GOALS`; all of them by default.
    repeats : int
        Measurements of each loop.
    batches : int
        Of 128 images, per measurement; 469 are a whole epoch. Fewer are extrapolated to an epoch.

    Returns
    -------
    dict
        `device`, `precision`, `batches`, `repeats`, `warm_up`, `environment`, `rows`: `Row` as dicts; and
        `fit_calls`: for each Keras network one call of `model.fit` over a whole epoch, with `seconds` to the end of the
        last batch and `call` for the whole call; `goals`: `GoalRun` as dicts, by goal.

    Raises
    ------
    LabError
        A network is unknown, a number is out of range, or a measuring process failed.
    """
    for network in networks:
        if network not in NETWORKS | GOALS:
            raise unknown("network", network, NETWORKS | GOALS)
    if not 1 <= batches <= EPOCH_BATCHES:
        raise LabError(f"batches is {batches}: valid are 1 to {EPOCH_BATCHES}, a whole epoch")
    if repeats < 1:
        raise LabError(f"repeats is {repeats}: valid are whole numbers from 1 up")
    rows: list[Row] = []
    fit_calls, goals = {}, {}
    for network in networks or NETWORKS | GOALS:
        if network in GOALS:
            goal = run_apart(measure_goal, (network, GOALS[network]), {})
            device, goals[network] = goal.device, asdict(goal)
            continue
        device, measured = _measure_network(network, repeats, batches)
        rows += measured
        if NETWORKS[network] == "keras":
            fit_calls[network] = asdict(_measure_stock_fit(network, EPOCH_BATCHES))
    return {
        "device": device,
        "precision": PRECISION,
        "batches": batches,
        "repeats": repeats,
        "warm_up": WARM_UP,
        "environment": environment(),
        "rows": [asdict(row) for row in rows],
        "fit_calls": fit_calls,
        "goals": goals,
    }


def _measure_network(network: str, repeats: int, batches: int) -> tuple[str, list[Row]]:
    framework = NETWORKS[network]
    measured: dict[str, list[Measurement | StockFit]] = {loop: [] for loop in LOOPS[framework]}
    for _ in range(repeats):
        for loop, given in measured.items():
            if loop == "model.fit":
                given.append(_measure_stock_fit(network, batches))
            else:
                given.append(run_apart(measure_loop, (framework, loop, network, batches), {}))
    with_labkit = [one for given in measured.values() for one in given if isinstance(one, Measurement)]
    first = with_labkit[0]
    attainable = max(one.matmul for one in with_labkit)
    rows: list[Row] = []
    for loop, given in measured.items():
        # Epochs hold 60,000 images: the last batch is smaller
        epochs = [one.seconds * TRAIN_IMAGES / min(batches * BATCH_SIZE, TRAIN_IMAGES) for one in given]
        seconds = statistics.median(epochs)
        rate = TRAIN_IMAGES / seconds
        rows.append(
            Row(
                framework=framework,
                network=network,
                loop=loop,
                seconds=seconds,
                fastest=min(epochs),
                slowest=max(epochs),
                images_per_second=rate,
                arithmetic_share=first.flops / BATCH_SIZE * rate / attainable,
                memory=max(one.memory for one in given),
                ratio=seconds / rows[0].seconds if rows else 1.0,
            )
        )
    return first.device, rows


def _measure_stock_fit(network: str, batches: int) -> StockFit:
    return run_apart(measure_stock_fit, (_network_json(network), batches), {})


@cache
def _network_json(network: str) -> str:
    return run_apart(keras_json, network, {})


def best_loops(result: dict[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return the row of labkit's loop and that of the fastest plain one, by network."""
    best = {}
    for ours in result["rows"]:
        if ours["loop"] == "labkit":
            plain = [row for row in result["rows"] if row["network"] == ours["network"] and row["loop"] != "labkit"]
            best[ours["network"]] = ours, min(plain, key=lambda row: float(row["seconds"]))
    return best


def bench_table(result: dict[str, Any]) -> str:
    """Return the tables that `labkit bench` prints."""
    lines = [f"{result['device']}; {result['precision']}"]
    if result["rows"]:
        lines += [
            f"median of {result['repeats']} x {result['batches']} batches of {BATCH_SIZE}, in turn",
            f"warm-up excluded: {result['warm_up']}",
            "MiB: peak memory, on a CUDA GPU that of the GPU",
            "",
            f"{'network':14} {'loop':22} {'s/epoch':>8} {'spread':>15} {'images/s':>9} {'of matmul':>9} "
            f"{'MiB':>6} {'ratio':>6}",
        ]
    for entry in result["rows"]:
        row = Row(**entry)
        spread = f"{rounded(row.fastest)} to {rounded(row.slowest)}"
        lines.append(
            f"{row.network:14} {row.loop:22} {rounded(row.seconds):>8} {spread:>15} {row.images_per_second:9,.0f} "
            f"{100 * row.arithmetic_share:8.0f}% {row.memory:6.0f} {row.ratio:6.2f}"
        )
    if result["fit_calls"]:
        lines += ["", "model.fit counts to its last batch. One call of it over a whole epoch, once:"]
    for network, taken in result["fit_calls"].items():
        lines.append(
            f"{network:14} trains for {taken['seconds']:.1f} s; the call takes {taken['call']:.1f} s: "
            "the rest is setting up, and waiting for tf.data's autotuning"
        )
    if result["goals"]:
        lines += ["", "goals of notebook 08: mean and standard deviation over seeds, warm-up excluded"]
    lines += [f"{name:14} {goal_line(goal)}" for name, goal in result["goals"].items()]
    return "\n".join(lines)


def rounded(seconds: float) -> str:
    """Return a time with one decimal, below one second with two."""
    return f"{seconds:.{1 if seconds >= 1 else 2}f}"


def goal_line(goal: dict[str, Any]) -> str:
    """Return what was measured of a goal: accuracy on the test images and seconds, with their scatter."""
    percent = [100 * accuracy for accuracy in goal["accuracies"]]
    seconds = statistics.mean(goal["seconds"])
    decimals = 2 if seconds >= 1 else 3
    return (
        f"{statistics.mean(percent):.2f} +- {statistics.stdev(percent):.2f}% in "
        f"{seconds:.{decimals}f} +- {statistics.stdev(goal['seconds']):.{decimals}f} s; "
        f"{len(percent)} seeds, {goal['epochs']:g} epochs"
    )


def write_bench(result: dict[str, Any], out: Path) -> None:
    """Write `bench.json` into a folder."""
    write_text(out / "bench.json", json.dumps(result, indent=1) + "\n")
