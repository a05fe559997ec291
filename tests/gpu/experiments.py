"""Six experiments for the first half hour with a GPU: `python tests/gpu/experiments.py OUT.json`.

PyTorch alone is enough. Each experiment writes what it measured into the file as soon as it is done, or why it failed,
and the next one starts. What they decide: whether the full-batch step is worth a CUDA graph, whether channels-last and
half precision are, and whether `fit_many` is worth writing with fewer launches.
"""

import argparse
import json
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labkit.bench.compare import EPOCH_BATCHES, GOALS, run_bench
from labkit.data.mnist import ImageSet, load_mnist
from labkit.runs.computer import device_name
from labkit.torch.device import pick_device, set_seed
from labkit.torch.evaluation import normalise
from labkit.torch.many import fit_many
from labkit.torch.networks import build
from labkit.torch.speed import wait_for
from labkit.torch.training import fit
from labkit.torch.weights import weights_sha256

NETWORKS = ("lenet-dropout", "deep-bn", "keras-twin")
SETTINGS: dict[str, Any] = {"learning_rate": 0.01, "momentum": 0.5}
BATCH_SIZE = 128


@dataclass(frozen=True)
class Plan:
    """How much is run."""

    data: ImageSet
    device: torch.device
    batches: int  # of one measurement
    replicas: tuple[int, ...]
    repeats: int


def training(plan: Plan) -> dict[str, Any]:
    """One epoch of each network: twice the same weights, and the same weights and speed after resuming."""
    found = {}
    for name in NETWORKS:
        sums, seconds = [], []
        for _ in range(2):
            network = build(name, "relu", seed=1)
            seconds.append(fit(network, plan.data, epochs=1, seed=1, **SETTINGS).epochs[0].seconds)
            sums.append(weights_sha256(network))
        whole, resumed = build(name, "relu", seed=1), build(name, "relu", seed=1)
        straight = fit(whole, plan.data, epochs=2, seed=1, **SETTINGS)
        with TemporaryDirectory() as states:
            fit(resumed, plan.data, epochs=1, seed=1, state_dir=states, **SETTINGS)
            after = fit(resumed, plan.data, epochs=2, seed=1, state_dir=states, resume=True, **SETTINGS)
        found[name] = {
            "first_epoch_s": seconds,
            "same_twice": sums[0] == sums[1],
            "resumed_the_same": weights_sha256(whole) == weights_sha256(resumed),
            "second_epoch_s": [straight.epochs[1].seconds, after.epochs[1].seconds],
        }
    return found


def step_of(name: str, plan: Plan, memory_format: torch.memory_format, half: bool) -> Callable[[], Tensor]:
    """Return a training step on a full batch that stays where it is."""
    set_seed(1)
    network = build(name, "relu", seed=1).to(plan.device).to(memory_format=memory_format).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.5)
    images = torch.as_tensor(plan.data.train_images[:BATCH_SIZE], device=plan.device)
    labels = torch.as_tensor(plan.data.train_labels[:BATCH_SIZE], device=plan.device).long()

    def step() -> Tensor:
        with torch.autocast(plan.device.type, dtype=torch.float16, enabled=half):
            loss = F.nll_loss(network(normalise(images)).float(), labels)
        optimizer.zero_grad(set_to_none=False)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    return step


def milliseconds(step: Callable[[], Any], plan: Plan) -> float:
    """Return the median time of a step, after a warm-up."""
    spent = []
    for turn in range(plan.repeats + 1):
        start = time.perf_counter()
        for _ in range(plan.batches):
            step()
        wait_for(plan.device)
        if turn:
            spent.append(1000 * (time.perf_counter() - start) / plan.batches)
    return statistics.median(spent)


def layouts(plan: Plan) -> dict[str, Any]:
    """One step of each network with and without channels-last and half precision, and its number of kernels."""
    found: dict[str, Any] = {}
    halves = (False, True) if plan.device.type == "cuda" else (False,)
    for name in NETWORKS:
        for layout in (torch.contiguous_format, torch.channels_last):
            for half in halves:
                step = step_of(name, plan, layout, half)
                wall = milliseconds(step, plan)
                with torch.profiler.profile() as profiler:
                    step()
                    wait_for(plan.device)
                events = profiler.events() or []
                kernels = [event for event in events if str(event.device_type) == "DeviceType.CUDA"]
                key = f"{name}, {str(layout).removeprefix('torch.')}, {'float16' if half else 'float32'}"
                busy = sum(event.device_time_total for event in kernels) / 1000
                found[key] = {"wall_ms": wall, "gpu_ms": busy, "kernels": len(kernels)}
    return found


def bench(plan: Plan) -> dict[str, Any]:
    """`labkit bench` of the PyTorch networks, in whole epochs on a GPU."""
    return run_bench(NETWORKS, repeats=plan.repeats, batches=min(plan.batches, EPOCH_BATCHES))


def graphs(plan: Plan) -> dict[str, Any]:
    """The full-batch step as a CUDA graph: its time, and its losses beside those of the plain step."""
    if plan.device.type != "cuda":
        return {"skipped": "CUDA graphs need a CUDA GPU"}
    found = {}
    for name in ("lenet-dropout", "deep-bn"):
        plain = step_of(name, plan, torch.contiguous_format, half=False)
        captured = step_of(name, plan, torch.contiguous_format, half=False)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # the warm-up that capturing needs
            for _ in range(3):
                captured()
        torch.cuda.current_stream().wait_stream(aside)
        for _ in range(3):
            plain()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = captured()
        losses = []
        for _ in range(20):
            graph.replay()
            losses.append((float(plain()), float(loss)))
        found[name] = {
            "losses": losses,  # with dropout the masks differ
            "plain_ms": milliseconds(plain, plan),
            "graph_ms": milliseconds(graph.replay, plan),
        }
    return found


def replicas(plan: Plan) -> dict[str, Any]:
    """`fit_many` with more and more replicas, in seconds per epoch, the second of two epochs."""
    found = {}
    for name in ("lenet-dropout", "deep-bn"):
        for count in plan.replicas:
            networks: list[nn.Module] = [build(name, "relu", seed=seed) for seed in range(count)]
            histories = fit_many(networks, plan.data, seeds=range(count), epochs=2, **SETTINGS)
            found[f"{name}, {count}"] = histories[0].epochs[1].seconds
    return found


def goals(plan: Plan) -> dict[str, Any]:
    """The goals of the ladder, with the seeds of `labkit bench`."""
    if plan.device.type != "cuda":
        return {"skipped": "`labkit bench --networks 99.0%` is the command for a CPU"}
    return dict(run_bench(list(GOALS))["goals"])


EXPERIMENTS = (training, layouts, bench, graphs, replicas, goals)


def main(arguments: list[str] | None = None) -> None:
    """Run the experiments one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("--small", action="store_true", help="a few batches of everything, to try the command")
    given = parser.parse_args(arguments)
    data = load_mnist()
    if given.small:
        few = data.first(2 * BATCH_SIZE)
        plan = Plan(few, pick_device(), batches=1, replicas=(1, 2), repeats=1)
    else:
        plan = Plan(data, pick_device(), batches=EPOCH_BATCHES, replicas=(1, 4, 16, 32), repeats=3)
    found: dict[str, Any] = {"device": device_name(), "torch": torch.__version__}
    for experiment in EXPERIMENTS:
        start = time.perf_counter()
        try:
            result = experiment(plan)
        except Exception:  # the next one may work
            result = {"failed": traceback.format_exc()}
        found[experiment.__name__] = {"seconds": time.perf_counter() - start, "result": result}
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"{experiment.__name__}: {'failed' if 'failed' in result else 'done'}", flush=True)


if __name__ == "__main__":
    main()
