"""The figure of notebook 06's ablation: the effect of each change, added and undone."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.plots.style import BLUE, INK, VERMILION, label_log_axis, style

Accuracies = Mapping[str, Sequence[float]]


def plot_ablation(
    added: Accuracies, undone: Accuracies, small: Sequence[float], large: Sequence[float], title: str
) -> Figure:
    """Plot the test errors with one change added to the small network, and with one undone in the large one.

    Parameters
    ----------
    added, undone : mapping of str to sequence of float
        By change: the test accuracy of each seed, 0 to 1.
    small, large : sequence of float
        The same for the two networks that the changes lead from and to.
    title : str
        Says at what cost the networks were trained.

    Returns
    -------
    Figure
        Two axes with a common logarithmic scale of the error in percent: a dot per seed, a bar at their mean, and a
        line at the mean of the network that the panel starts from.
    """
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained", sharex=True)
        _draw_panel(left, "nothing added", small, {f"+ {name}": values for name, values in added.items()}, BLUE)
        _draw_panel(right, "nothing undone", large, {f"- {name}": values for name, values in undone.items()}, VERMILION)
        left.set_title("lenet-dropout with one change added")
        right.set_title("deep-bn with one change undone")
        figure.suptitle(title, color=INK)
        # once both panels have their points: the axis is shared
        label_log_axis(left.xaxis, "{x:g}", (1, 1.5, 2, 3, 5, 7))
    return figure


def _draw_panel(axes: Axes, start_name: str, start: Sequence[float], changed: Accuracies, colour: str) -> None:
    rows = {start_name: start, **changed}
    for position, values in enumerate(rows.values()):
        shown = INK if position == 0 else colour
        errors = [100 * (1 - value) for value in values]
        axes.plot(errors, [position] * len(errors), "o", ms=5, alpha=0.75, mew=0, color=shown)
        axes.plot([sum(errors) / len(errors)], [position], "|", ms=16, mew=2.5, color=shown)
    axes.axvline(100 * (1 - sum(start) / len(start)), color=INK, lw=1, ls="--")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set(xlabel="test images wrong (%): left is better", xscale="log")
