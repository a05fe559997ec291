"""Try a student's training loop on a few images, and say in one line what it does wrong.

Nothing in the student's code has to be known: the network that it is given notes each batch that it learns from, and
its weights before that step. From these follows what a step should have done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labkit.data.mnist import load_mnist
from labkit.torch.evaluation import normalise

IMAGES, BATCH_SIZE, EPOCHS, LEARNING_RATE = 300, 64, 3, 0.05  # the last batch of an epoch is smaller
TOLERANCE = 1e-3  # relative: a loop on a GPU rounds otherwise

Loop = Callable[[nn.Module, Tensor, Tensor, int, float, int], Any]


@dataclass(frozen=True)
class Step:
    """A batch that the network learnt from: its images by number, the network's mode, and the weights before."""

    numbers: list[int]
    training: bool
    weights: Tensor


class WatchedNetwork(nn.Module):
    """One linear layer that notes what it learns from. Takes images (n, 1, 28, 28), gives log-probabilities."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.linear = nn.Linear(784, 10)
        self.numbers = {_key(image): number for number, image in enumerate(images)}
        self.steps: list[Step] = []
        self.called = False

    def weights(self) -> Tensor:
        """Return a copy of all weights in one row, on the CPU."""
        return torch.cat([p.detach().flatten() for p in self.parameters()]).cpu().clone()

    def forward(self, x: Tensor) -> Tensor:
        self.called = True
        output = F.log_softmax(self.linear(x.flatten(1)), dim=1)
        if output.requires_grad:  # a test under no_grad is none of our business
            numbers = [self.numbers.get(_key(image), -1) for image in x]
            step = Step(numbers, self.training, self.weights())
            # called when a gradient comes back this way
            output.register_hook(lambda _: self.steps.append(step))  # type: ignore[no-untyped-call]
        return output


@cache
def _few_digits() -> tuple[Tensor, Tensor]:
    data = load_mnist().first(IMAGES)
    return normalise(torch.from_numpy(data.train_images.copy())), torch.from_numpy(data.train_labels.copy()).long()


def _key(image: Tensor) -> bytes:
    return image.detach().cpu().contiguous().numpy().tobytes()


def try_loop(answer: Loop) -> str:
    """Let a training loop train a small network on 300 images of MNIST.

    Parameters
    ----------
    answer : function
        Called with network, images (float32, normalised), labels (int64), epochs, learning rate and batch size. Trains
        the network in place with plain SGD and returns the mean training loss of each epoch.

    Returns
    -------
    str
        What is wrong, or an empty text.
    """
    if not callable(answer):
        return f"the answer should be a function, not a {type(answer).__name__}."
    images, labels = _few_digits()
    with torch.random.fork_rng(devices=[]):  # the random numbers of the notebook go on as if nothing had been tried
        torch.manual_seed(0)
        network = WatchedNetwork(images)
        network.eval()  # as a test leaves it: the loop has to ask for training mode
        returned = answer(network, images.clone(), labels.clone(), EPOCHS, LEARNING_RATE, BATCH_SIZE)
    network.cpu()
    return (
        _wrong_call(network)
        or _wrong_steps(network.steps, network.weights(), images, labels)
        or _wrong_epochs(network.steps)
        or _wrong_losses(returned, network.steps, images, labels)
    )


def _wrong_call(network: WatchedNetwork) -> str:
    if not network.called:
        return "the network that the function was given is never called. Train it in place, not a copy of it."
    if not network.steps:
        return "no gradient was ever computed: is `loss.backward()` called, outside of `no_grad`?"
    if any(number < 0 for step in network.steps for number in step.numbers):
        return "the network got images that are not among the training images."
    return ""


def _wrong_steps(steps: Sequence[Step], final: Tensor, images: Tensor, labels: Tensor) -> str:
    after = [step.weights for step in steps[1:]] + [final]
    total = torch.zeros_like(final)  # of all gradients up to here
    for count, (step, weights) in enumerate(zip(steps, after, strict=True), 1):
        if not step.training:
            return f"step {count} is made in evaluation mode, where dropout is off. Call `network.train()` before it."
        moved = (step.weights - weights) / LEARNING_RATE
        gradient = _gradient(step, images, labels[step.numbers])
        total = total + gradient
        if _close(moved, gradient):
            continue
        if not moved.any():
            return f"step {count} does not change the weights: is `optimizer.step()` called after `loss.backward()`?"
        if count > 1 and _close(moved, total):
            return "the gradients of all earlier batches are added to each new one. Set them to zero before `backward`."
        if _close(moved, -gradient):
            return "the weights go up the gradient: the loss should fall, so the step goes against the gradient."
        if _close(moved, gradient * len(step.numbers)):
            return "the step follows the sum of a batch's losses. Take their mean, or the batch size changes the step."
        in_place = labels[(count - 1) * BATCH_SIZE :][: len(step.numbers)]
        if len(in_place) == len(step.numbers) and _close(moved, _gradient(step, images, in_place)):
            return "the images are shuffled, but their labels are not: each image needs its own label."
        if count > 1:
            return (
                f"step {count} is not plain SGD: w - learning_rate * gradient, with the gradient of this batch alone."
            )
        return "the first step is not w - learning_rate * gradient, with the mean negative log-likelihood as the loss."
    return ""


def _wrong_epochs(steps: Sequence[Step]) -> str:
    orders = [[number for step in part for number in step.numbers] for part in _by_epoch(steps)]
    sizes = {len(step.numbers) for step in steps}
    first = orders[0][: IMAGES - IMAGES % BATCH_SIZE]
    if len(set(first)) < len(first):
        return "in one epoch some images come twice: take each exactly once, in a random order."
    if sizes == {BATCH_SIZE}:
        return "the last, smaller batch of an epoch is left out: its images are never used."
    if max(sizes) > BATCH_SIZE:
        return f"a batch has {max(sizes)} images instead of the batch size, {BATCH_SIZE}."
    if len(orders) != EPOCHS or len(orders[-1]) != IMAGES:
        seen = sum(map(len, orders))
        return f"in {EPOCHS} epochs of {IMAGES} images the network learnt from {seen}, not from {EPOCHS * IMAGES}."
    if any(len(set(order)) < IMAGES for order in orders):
        return "in one epoch some images come twice: take each exactly once, in a random order."
    if any(order == list(range(IMAGES)) for order in orders):
        return "the images are not shuffled: every epoch needs a random order."
    if any(order == orders[0] for order in orders[1:]):
        return "all epochs have the same order: draw a new one for each."
    if len(steps) != EPOCHS * -(-IMAGES // BATCH_SIZE):
        return f"an epoch has batches that are smaller than {BATCH_SIZE} before the last one."
    return ""


def _wrong_losses(returned: Any, steps: Sequence[Step], images: Tensor, labels: Tensor) -> str:
    wanted = f"Return a list of {EPOCHS} numbers, the mean training loss of each epoch."
    try:
        found = [float(loss.detach() if isinstance(loss, Tensor) else loss) for loss in returned]
    except (TypeError, ValueError, RuntimeError):
        return f"the training is right, but the function returns {type(returned).__name__}. {wanted}"
    if len(found) != EPOCHS:
        return f"the training is right, but the function returns {len(found)} numbers. {wanted}"
    for number, (loss, part) in enumerate(zip(found, _by_epoch(steps), strict=True), 1):
        means = torch.tensor([_loss(step.weights, images[step.numbers], labels[step.numbers]) for step in part])
        sizes = torch.tensor([float(len(step.numbers)) for step in part])
        right, unweighted = float((means * sizes).sum() / sizes.sum()), float(means.mean())
        if abs(loss - right) > TOLERANCE * right:
            if abs(loss - unweighted) <= TOLERANCE * unweighted:
                return "the training is right, but the mean loss weighs the last, smaller batch as much as the others."
            return f"the training is right, but the mean loss of epoch {number} is not {loss:.4f}. {wanted}"
    return ""


def _by_epoch(steps: Sequence[Step]) -> list[list[Step]]:
    """Cut the steps into epochs: a new one starts where as many images as there are have been seen."""
    parts: list[list[Step]] = [[]]
    for step in steps:
        if sum(len(s.numbers) for s in parts[-1]) >= IMAGES:
            parts.append([])
        parts[-1].append(step)
    return parts


def _loss(weights: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    weight, bias = weights[:7840].view(10, 784), weights[7840:]
    return F.cross_entropy(images.flatten(1) @ weight.T + bias, labels)


def _gradient(step: Step, images: Tensor, labels: Tensor) -> Tensor:
    with torch.enable_grad():
        weights = step.weights.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(_loss(weights, images[step.numbers], labels), weights)
    return gradient


def _close(moved: Tensor, gradient: Tensor) -> bool:
    # the difference of two float32 weights, divided by the learning rate, has lost digits: hence an absolute part
    return float((moved - gradient).norm()) <= TOLERANCE * float(gradient.norm()) + 1e-5
