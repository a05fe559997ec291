"""Figures: curves, digits, feature maps, seeds, the summary; one look for all of them."""

from labkit.plots.ablation import plot_ablation
from labkit.plots.chance import plot_chance, plot_pairs
from labkit.plots.convolution import plot_changes, plot_convolution_step, plot_receptive_fields
from labkit.plots.curves import plot_activations, plot_batch_losses, plot_curves, plot_test_errors
from labkit.plots.digits import plot_class_counts, plot_confusion, plot_digits
from labkit.plots.dots import plot_dots, plot_fit
from labkit.plots.feature_maps import plot_blocks, plot_journey, plot_kernels, plot_maps
from labkit.plots.ladder import plot_ladder
from labkit.plots.overlay import plot_overlay
from labkit.plots.schematic import plot_schematic
from labkit.plots.seeds import plot_differences, plot_reproduction, plot_seed_curves, plot_seeds
from labkit.plots.style import BLUE, VERMILION, style
from labkit.plots.summary import plot_all_curves, plot_calibration, plot_cost, plot_times_wrong

__all__ = [
    "BLUE",
    "VERMILION",
    "plot_ablation",
    "plot_activations",
    "plot_all_curves",
    "plot_batch_losses",
    "plot_blocks",
    "plot_calibration",
    "plot_chance",
    "plot_changes",
    "plot_class_counts",
    "plot_confusion",
    "plot_convolution_step",
    "plot_cost",
    "plot_curves",
    "plot_differences",
    "plot_digits",
    "plot_dots",
    "plot_fit",
    "plot_journey",
    "plot_kernels",
    "plot_ladder",
    "plot_maps",
    "plot_overlay",
    "plot_pairs",
    "plot_receptive_fields",
    "plot_reproduction",
    "plot_schematic",
    "plot_seed_curves",
    "plot_seeds",
    "plot_test_errors",
    "plot_times_wrong",
    "style",
]
