"""One measurement of `labkit bench`, made in a process of its own."""

import sys
from dataclasses import dataclass
from importlib import import_module

from labkit.data.mnist import load_mnist


@dataclass(frozen=True)
class Measurement:
    """What one process measured of one loop."""

    seconds: float  # for the batches that were asked for
    memory: float  # the peak of the process, on a GPU that of the GPU, in MiB; 0 where it is not known (Windows)
    matmul: float  # operations per second of a large matrix product on the device
    flops: int  # operations of one batch
    device: str


@dataclass(frozen=True)
class StockFit:
    """What one process measured of one call of `model.fit` over one epoch."""

    seconds: float  # from the beginning of the epoch to the end of its last batch
    call: float  # seconds that the whole call takes
    memory: float  # as in `Measurement`


@dataclass(frozen=True)
class GoalRun:
    """What one process measured of one goal of the ladder, seed by seed."""

    accuracies: list[float]  # on the test images, from 0 to 1
    seconds: list[float]  # of training: imports, loading and testing do not count
    epochs: float
    device: str


def measure_loop(job: tuple[str, str, str, int]) -> Measurement:
    """Run a loop once to warm up, and measure it; a job is framework, loop, network and number of batches."""
    framework, loop, network, batches = job
    bench = import_module(f"labkit.bench.{framework}_loops")
    from labkit.runs.computer import device_name

    measure = bench.timer(loop, network, load_mnist(), batches)
    measure()
    seconds = measure()
    memory = bench.gpu_memory() or peak_memory()
    return Measurement(seconds, memory, bench.matmul_rate(), bench.flops_of_batch(network), device_name())


def keras_json(network: str) -> str:
    """Return one of the Keras networks as Keras writes it down: stock Keras builds it from that, without labkit."""
    from labkit.bench.keras_loops import network_of

    return str(network_of(network).to_json())


def measure_stock_fit(job: tuple[str, int]) -> StockFit:
    """Measure `model.fit`; a job is a network from `keras_json` and the number of batches of the epoch."""
    from labkit.bench.stock_keras import gpu_memory, time_fit

    seconds, call = time_fit(*job, load_mnist())
    return StockFit(seconds, call, gpu_memory() or peak_memory())


def measure_goal(job: tuple[str, int]) -> GoalRun:
    """Train with one seed after the other, after a short training to warm up; a job is a goal and a number of seeds."""
    goal, seeds = job
    from labkit.runs.computer import device_name
    from labkit.torch.ladder import GOALS, accuracy, train_fast

    settings = GOALS[goal]
    data = load_mnist()
    train_fast(data.first(20 * settings.batch_size), settings, seed=0)
    trained = [train_fast(data, settings, seed) for seed in range(1, seeds + 1)]
    accuracies = [accuracy(network, data.test_images, data.test_labels, settings) for network, _ in trained]
    return GoalRun(accuracies, [seconds for _, seconds in trained], settings.epochs, device_name())


def peak_memory() -> float:
    """Return the most memory that this process has had so far, in MiB; 0 where it is not known (Windows)."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
