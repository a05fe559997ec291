"""Intervals and tests, mistakes image by image, and the claims of the report against many seeds."""

from labkit.stats.claims import CLAIMS, FAMILIES, Comparison
from labkit.stats.costs import quiet_seconds
from labkit.stats.counts import compare_counts, difference_error
from labkit.stats.evidence import judge_all, weigh
from labkit.stats.evidence_tables import (
    evidence_table,
    improvement_table,
    mcnemar_table,
    reproduction_table,
    seeds_needed_table,
)
from labkit.stats.intervals import bootstrap_interval, seeds_needed, t_interval
from labkit.stats.ladder_tables import epochs_table, ladder_table, leave_one_out_table, measured_ladder
from labkit.stats.mistakes import (
    caption,
    confident_mistakes,
    confused_pairs,
    confusion_counts,
    least_sure,
    times_wrong,
)
from labkit.stats.paired_tests import mcnemar
from labkit.stats.plan import progress_table, read_plan, read_rules
from labkit.stats.summary import collect
from labkit.stats.sweeps import accuracies, last_epochs, read_sweep, reference_sweep, sweep_table
from labkit.stats.variance import image_parts
from labkit.stats.verdicts import interval_words

__all__ = [
    "CLAIMS",
    "FAMILIES",
    "Comparison",
    "accuracies",
    "bootstrap_interval",
    "caption",
    "collect",
    "compare_counts",
    "confident_mistakes",
    "confused_pairs",
    "confusion_counts",
    "difference_error",
    "epochs_table",
    "evidence_table",
    "image_parts",
    "improvement_table",
    "interval_words",
    "judge_all",
    "ladder_table",
    "last_epochs",
    "least_sure",
    "leave_one_out_table",
    "mcnemar",
    "mcnemar_table",
    "measured_ladder",
    "progress_table",
    "quiet_seconds",
    "read_plan",
    "read_rules",
    "read_sweep",
    "reference_sweep",
    "reproduction_table",
    "seeds_needed",
    "seeds_needed_table",
    "sweep_table",
    "t_interval",
    "times_wrong",
    "weigh",
]
