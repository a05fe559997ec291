"""The ladder to 99%: what each rung costs and gives."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from labkit.plots.style import BLUE, INK, label_log_axis, style


def plot_ladder(table: pd.DataFrame, title: str) -> Figure:
    """Plot seconds and test errors of each rung as dots, from the top row down.

    Parameters
    ----------
    table : DataFrame
        From `labkit.stats.ladder_table` or `leave_one_out_table`.
    title : str

    Returns
    -------
    Figure
        Two axes with a logarithmic scale: seconds, and errors in percent of the test images; bars are one standard
        deviation over seeds. A dotted line marks an error of 1%.
    """
    with style():
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(9.5, 0.9 + 0.3 * len(table)), layout="constrained", sharey=True
        )
        rows = range(len(table))
        dots = {"fmt": "o", "color": BLUE, "ecolor": INK}
        left.errorbar(table["seconds"], rows, xerr=table["seconds, deviation"], **dots)
        right.errorbar(100 - table["accuracy (%)"], rows, xerr=table["accuracy, deviation"], **dots)
        left.set_yticks(rows, table.index)
        left.invert_yaxis()
        left.set(xscale="log", xlabel="seconds of training")
        right.axvline(1, color=INK, ls=":", lw=1.4)
        right.set(xscale="log", xlabel="test error (%); dotted: the goal of 99%")
        for axes in (left, right):
            label_log_axis(axes.xaxis, "{x:g}")
        figure.suptitle(title, color=INK)
    return figure
