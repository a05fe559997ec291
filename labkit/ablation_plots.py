"""The figure of an ablation: what each change does, with every seed to be seen."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.plotting import BLUE, INK, VERMILION, style

Accuracies = Mapping[str, Sequence[float]]


def plot_ablation(added: Accuracies, undone: Accuracies, small: Sequence[float], large: Sequence[float]) -> Figure:
    """Plot test accuracies with one change added to the small network, and with one undone in the large one.

    Parameters
    ----------
    added, undone : mapping of str to sequence of float
        By change: the accuracy of each seed, 0 to 1.
    small, large : sequence of float
        The same for the two networks that the changes lead from and to.

    Returns
    -------
    Figure
        Two axes with a common scale in percent: a dot a seed, a bar at their mean, and a line at the mean of the
        network that the panel starts from.
    """
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained", sharex=True)
        _draw_panel(left, "nothing added", small, {f"+ {name}": values for name, values in added.items()}, BLUE)
        _draw_panel(right, "nothing undone", large, {f"- {name}": values for name, values in undone.items()}, VERMILION)
        left.set_title("lenet-dropout with one change added")
        right.set_title("deep-bn with one change undone")
    return figure


def _draw_panel(axes: Axes, start_name: str, start: Sequence[float], changed: Accuracies, colour: str) -> None:
    rows = {start_name: start, **changed}
    for position, values in enumerate(rows.values()):
        shown = INK if position == 0 else colour
        percents = [100 * value for value in values]
        axes.plot(percents, [position] * len(percents), "o", ms=5, alpha=0.6, mew=0, color=shown)
        axes.plot([sum(percents) / len(percents)], [position], "|", ms=16, mew=2.5, color=shown)
    axes.axvline(100 * sum(start) / len(start), color=INK, lw=1, ls="--")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy (%)")
