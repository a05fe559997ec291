"""Typical wrong answers to the exercises of notebook 05."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from math import exp, log, log10
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _softmax(logits: Sequence[float], label: int) -> float:
    return exp(logits[label]) / sum(map(exp, logits))


def _stable(logits: Sequence[float], label: int) -> float:
    largest = max(logits)
    return largest - logits[label] + log(sum(exp(z - largest) for z in logits))


def _descend(learning_rate: float, momentum: float, steps: int, how: str) -> float:
    weight = velocity = 0.0
    for _ in range(steps):
        if how == "weight first":
            weight -= learning_rate * velocity
        velocity = momentum * velocity + (1 - momentum if how == "averaged" else 1)
        if how != "weight first":
            weight -= learning_rate * velocity
    return -weight if how == "uphill" else weight


def _loop(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    *,
    wrong: str = "",
    loss_of: Callable[[Tensor, Tensor], Tensor] = F.nll_loss,
) -> Any:
    """Train as exercise 4 asks for it, but for one thing."""
    if wrong == "copy":
        network = deepcopy(network)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=0.01 if wrong == "fixed rate" else learning_rate,
        momentum=0.5 if wrong == "momentum" else 0.0,
        maximize=wrong == "uphill",
    )
    count, losses = len(images), []
    if wrong != "evaluation mode":
        network.train()
    once = torch.randperm(count)
    for _ in range(1 if wrong == "one epoch" else epochs):
        order = torch.arange(count) if wrong == "not shuffled" else torch.randperm(count)
        if wrong == "same order":
            order = once
        if wrong == "with replacement":
            order = torch.randint(0, count, (count,))
        batches = list(torch.split(order, len(order) if wrong == "one batch" else batch_size))
        if wrong == "last batch left out":
            batches.pop()
        total, means = 0.0, []
        for number, batch in enumerate(batches):
            if wrong == "first batch only":
                batch = batches[0]
            if wrong == "zeroed too late":
                optimizer.step()
            targets = labels[number * batch_size :][: len(batch)] if wrong == "labels stay" else labels[batch]
            loss = loss_of(network(images[batch]), targets)
            if wrong not in ("not zeroed", "zeroed before the step"):
                optimizer.zero_grad()
            if wrong != "no backward":
                loss.backward()  # type: ignore[no-untyped-call]
            if wrong == "zeroed before the step":
                optimizer.zero_grad()
            if wrong not in ("no step", "zeroed too late"):
                optimizer.step()
            means.append(loss.item())
            total += loss.item() * len(batch)
        if wrong == "stays in evaluation mode":
            network.eval()
        losses.append(sum(means) / len(means) if wrong == "mean of means" else total / count)
        if wrong == "sum of losses":
            losses[-1] = total
    if wrong == "returns nothing":
        return None
    return losses[-1] if wrong == "last loss only" else losses


WRONG_LOOPS = (
    "copy", "evaluation mode", "fixed rate", "first batch only", "labels stay", "last batch left out", "last loss only",
    "mean of means", "momentum", "no backward", "no step", "not shuffled", "not zeroed", "one batch", "one epoch",
    "returns nothing", "same order", "stays in evaluation mode", "sum of losses", "uphill", "with replacement",
    "zeroed before the step", "zeroed too late",
)  # fmt: skip

MUTANTS: dict[str, list[Any]] = {
    "05-1": [
        lambda logits, label: -log(_softmax(logits, label)),  # overflows for 1000
        lambda logits, label: -_stable(logits, label),
        lambda logits, label: _stable(logits, label) / log(10),
        lambda logits, label: exp(-_stable(logits, label)),
        lambda logits, label: max(logits) - logits[label],
        lambda logits, label: -log10(max(1e-7, exp(logits[label] - max(logits)))),
    ],
    "05-2": [
        *(partial(_descend, how=how) for how in ("weight first", "averaged", "uphill")),
        lambda learning_rate, momentum, steps: -learning_rate * steps,
        lambda learning_rate, momentum, steps: -learning_rate * steps / (1 - momentum),
    ],
    "05-3": [
        lambda channel, row, column: (channel * 25 + row * 5 + column, (row * 5 + column) * 64 + channel),
        lambda channel, row, column: ((column * 5 + row) * 64 + channel, channel * 25 + column * 5 + row),
        lambda channel, row, column: ((row * 5 + column) * 64 + channel + 1, channel * 25 + row * 5 + column + 1),
        lambda channel, row, column: (channel * 25 + row * 5 + column,) * 2,
    ],
    "05-4": [
        *(partial(_loop, wrong=wrong) for wrong in WRONG_LOOPS),
        partial(_loop, loss_of=partial(F.nll_loss, reduction="sum")),
        partial(_loop, loss_of=lambda output, labels: F.mse_loss(output.exp(), F.one_hot(labels, 10).float())),
        partial(_loop, loss_of=lambda output, labels: F.nll_loss(output.exp(), labels)),
        42,
        lambda network, images, labels, epochs, learning_rate, batch_size: [2.3] * epochs,
    ],
}
