"""Choose the epochs of the ladder's goals on validation images, and measure each rung with several seeds.

For maintainers, on a quiet machine: `python -m labkit.bench.climb` writes `data/reference/ladder.json`, which
`labkit.stats` reads, and to which a test holds the goals of `labkit.torch.ladder`.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from labkit.base.files import write_text
from labkit.base.paths import reference_dir
from labkit.data.mnist import ImageSet, load_mnist
from labkit.runs.computer import device_name, environment
from labkit.torch.device import threads
from labkit.torch.ladder import GOALS, TOP, Settings, accuracy, ladder, train_fast, without_one

VALIDATION_IMAGES = 5_000  # the last of the training images
# The rule, stated before anything was measured: the fewest of these epochs whose mean accuracy on the validation
# images, less two standard errors, reaches the goal. The list for 99.5% was cut while trying, on the same images.
CANDIDATES: dict[str, tuple[Sequence[float], int]] = {  # and the seeds that they are tried with
    "99.0%": ((0.5, 0.75, 1, 1.25, 1.5), 10),
    "99.5%": ((3, 4, 5), 3),
}
RUNG_SEEDS = 5


@dataclass(frozen=True)
class Measured:
    """What training with some settings gave, one value per seed."""

    epochs: float
    accuracies: list[float]  # from 0 to 1
    seconds: list[float]


def measure(data: ImageSet, several: dict[str, Settings], seeds: Sequence[int]) -> dict[str, Measured]:
    """Train with each of several settings and test on the test images of `data`; the settings take turns."""
    found = {name: Measured(settings.epochs, [], []) for name, settings in several.items()}
    for seed in seeds:
        for name, settings in several.items():
            network, seconds = train_fast(data, settings, seed)
            found[name].accuracies.append(accuracy(network, data.test_images, data.test_labels, settings))
            found[name].seconds.append(seconds)
            print(f"{name}, seed {seed}: {100 * found[name].accuracies[-1]:.2f}%, {seconds:.2f} s", flush=True)
    return found


def main() -> None:
    """Measure the rungs, then try the epochs of each goal; what is done so far is written down."""
    argparse.ArgumentParser(prog="labkit.bench.climb", description=main.__doc__).parse_args()  # `--help`, and no more
    data = load_mnist()
    cut = len(data.train_images) - VALIDATION_IMAGES
    validating = replace(data.first(cut), test_images=data.train_images[cut:], test_labels=data.train_labels[cut:])
    content: dict[str, Any] = {
        "device": device_name(),
        "threads": threads(),
        "environment": environment(),
        "validation_images": VALIDATION_IMAGES,
    }

    train_fast(data.first(5_000), TOP, seed=0)  # warm-up
    rungs, left_out = ladder(), without_one()
    measured = measure(data, rungs | left_out, range(1, RUNG_SEEDS + 1))
    content["rungs"] = {name: asdict(measured[name]) for name in rungs}
    content["left_out"] = {name: asdict(measured[name]) for name in left_out}
    content["candidates"] = {}
    for goal, (epochs, seeds) in CANDIDATES.items():
        several = {f"{goal} in {n:g} epochs": replace(GOALS[goal], epochs=n) for n in epochs}
        tried = measure(validating, several, range(1, seeds + 1)).values()
        content["candidates"][goal] = [{"epochs": one.epochs, "accuracies": one.accuracies} for one in tried]
        write_text(reference_dir() / "ladder.json", json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
