"""Intervals and tests, mistakes image by image, and the claims of the report against many seeds."""

from labkit.stats.claims import CLAIMS
from labkit.stats.costs import quiet_seconds
from labkit.stats.counts import compare_counts, difference_error, standard_error
from labkit.stats.evidence_tables import evidence_table, last_epochs, mcnemar_table, seeds_needed_table, why_worse
from labkit.stats.intervals import bootstrap_interval, seeds_needed, t_interval
from labkit.stats.ladder_tables import epochs_table, ladder_table, leave_one_out_table, measured_ladder
from labkit.stats.mistakes import (
    caption,
    confident_mistakes,
    confused_pairs,
    confusion_counts,
    least_sure,
    right_in_one_only,
    times_wrong,
)
from labkit.stats.paired_tests import mcnemar, paired_difference
from labkit.stats.summary import collect
from labkit.stats.sweeps import accuracies, read_sweep, reference_sweep, sweep_table
from labkit.stats.verdicts import interval_words, judge, judge_all, weigh

__all__ = [
    "CLAIMS",
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
    "interval_words",
    "judge",
    "judge_all",
    "ladder_table",
    "last_epochs",
    "least_sure",
    "leave_one_out_table",
    "mcnemar",
    "mcnemar_table",
    "measured_ladder",
    "paired_difference",
    "quiet_seconds",
    "read_sweep",
    "reference_sweep",
    "right_in_one_only",
    "seeds_needed",
    "seeds_needed_table",
    "standard_error",
    "sweep_table",
    "t_interval",
    "times_wrong",
    "weigh",
    "why_worse",
]
