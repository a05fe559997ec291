"""Training steps that a CUDA GPU plays back: recorded once as a graph of all their operations.

A small network keeps a GPU waiting: each of the fifty operations of a step takes it less time than Python takes to ask
for the next one. A recorded step is asked for once.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

WARM_UP_CALLS = 1  # what CUDA and cuDNN set up at first use cannot be recorded


class Recorded:
    """A function of tensors on a CUDA GPU that is recorded at its second call and played back from then on.

    The numbers are the same as without recording, those drawn at random included. Python has no part in a playback:
    what the function prints, it prints while it is not recorded yet. It runs as it is, always, on arguments of other
    shapes than those of the first call (the last batch of an epoch), and where it cannot be recorded: because it reads
    a number back from the GPU, say.

    Parameters
    ----------
    function : callable
        Takes tensors, returns a tuple of tensors. May change other tensors in place: weights, an optimizer's buffers.

    Notes
    -----
    Source: Ng and others, "Accelerating PyTorch with CUDA Graphs", PyTorch blog, 2021.
    """

    def __init__(self, function: Callable[..., tuple[Tensor, ...]]) -> None:
        self.function = function
        self.calls = 0
        self.can_be_recorded = True
        self.graph: torch.cuda.CUDAGraph | None = None
        self.arguments: tuple[Tensor, ...] = ()  # where the graph reads
        self.results: tuple[Tensor, ...] = ()  # where it writes

    def __call__(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """Do what the function does."""
        if not self.arguments:
            self.arguments = tuple(argument.clone() for argument in arguments)
        shapes = [argument.shape for argument in arguments]
        if not self.can_be_recorded or shapes != [place.shape for place in self.arguments]:
            return self.function(*arguments)
        for place, argument in zip(self.arguments, arguments, strict=True):
            place.copy_(argument)
        if self.calls < WARM_UP_CALLS:
            self.calls += 1
            return self._beside_the_main_stream()
        if self.graph is None:
            self._record()
        if self.graph is None:
            return self.function(*arguments)
        self.graph.replay()
        return tuple(result.clone() for result in self.results)

    def _beside_the_main_stream(self) -> tuple[Tensor, ...]:
        # what autograd sets up in the main stream would tie the recording to that stream, which cannot be recorded
        main = torch.cuda.current_stream()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(main)
        with torch.cuda.stream(aside):
            results = self.function(*self.arguments)
        main.wait_stream(aside)
        return results

    def _record(self) -> None:
        main = torch.cuda.current_stream()
        generator = torch.cuda.default_generators[main.device_index]
        before = generator.clone_state()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.results = self.function(*self.arguments)
        except RuntimeError:
            self.can_be_recorded = False
            # a recording that was broken off leaves both as they were within it
            torch.cuda.set_stream(main)
            generator.graphsafe_set_state(before)
        else:
            self.graph = graph


def by_recorded_steps(
    train: Callable[[Iterable[Tensor]], tuple[Tensor, Tensor]],
) -> Callable[[Iterable[Tensor]], tuple[Tensor, Tensor]]:
    """Return what trains on the batches of an epoch as `train` does, with a recorded step for each full batch.

    Parameters
    ----------
    train : callable
        Takes batches; returns their losses, and how many images were right in all.
    """
    step = Recorded(lambda batch: train([batch]))

    def train_epoch(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
        losses, correct = zip(*[step(batch) for batch in batches], strict=True)
        return torch.cat(losses), torch.stack(correct).sum()

    return train_epoch
