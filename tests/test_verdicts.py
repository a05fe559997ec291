"""The four verdicts: worked cases for each of them, for ties, and for a sweep made up of known networks."""

from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.stats.claims import CLAIMS, FAMILIES, Comparison
from labkit.stats.differences import Difference, difference_over_seeds
from labkit.stats.evidence import judge_all, weigh
from labkit.stats.evidence_tables import evidence_table, improvement_table, reproduction_table, seeds_needed_table
from labkit.stats.plan import Rules, planned_seeds, read_plan, read_rules, recipe, state
from labkit.stats.sweeps import SeedResult, accuracies, last_epochs, sweep_table
from labkit.stats.verdicts import CONTRADICTED, EQUAL, SUPPORTED, UNDECIDED, holm, judge, judge_whole

RULES = Rules(alpha=0.05, margin=10.0)  # in images
LABELS = np.arange(1000, dtype=np.uint8) % 10
WITHOUT = CLAIMS[2].comparisons[3]  # PyTorch, Leaky ReLU against ReLU, 20 epochs: claimed to be worse


def found(mean: float, error: float, n: int = 10) -> Difference:
    return Difference(mean, error, n - 1, (n, n))


@pytest.mark.parametrize(
    ("difference", "claimed", "verdict"),
    [
        (found(1.0, 2.0), 1, EQUAL),  # within the margin: (10 - 1) / 2 = 4.5 errors
        (found(-5.0, 1.0), 1, EQUAL),  # p = 0.0008, and yet within the margin: this comes first
        (found(-5.0, 1.0), -1, EQUAL),
        (found(30.0, 5.0), 1, SUPPORTED),
        (found(-30.0, 5.0), -1, SUPPORTED),
        (found(30.0, 5.0), -1, CONTRADICTED),
        (found(-30.0, 5.0), 1, CONTRADICTED),
        (found(12.0, 8.0), 1, UNDECIDED),
        (found(0.0, 8.0), 1, UNDECIDED),  # no difference seen, and too few seeds to call them equal
        (found(9.0, 2.0), 1, SUPPORTED),  # surely above 0, not surely within the margin
    ],
)
def test_each_verdict(difference: Difference, claimed: int, verdict: str) -> None:
    assert judge(difference, difference.p_value, claimed, RULES) == verdict


def test_the_adjusted_p_decides() -> None:
    difference = found(30.0, 12.0)
    assert difference.p_value < 0.05
    assert judge(difference, difference.p_value, 1, RULES) == SUPPORTED
    assert judge(difference, 0.2, 1, RULES) == UNDECIDED


def test_a_p_of_exactly_the_level_decides_nothing() -> None:
    assert judge(found(30.0, 5.0), 0.05, 1, RULES) == UNDECIDED


def test_ties() -> None:
    """Where all seeds give the same difference, it is what it is: within the margin, on it, or outside."""
    for gain, verdict in ((0.0, EQUAL), (9.0, EQUAL), (10.0, SUPPORTED), (11.0, SUPPORTED), (-11.0, CONTRADICTED)):
        same = difference_over_seeds([5.0, 7.0, 6.0], np.array([5.0, 7.0, 6.0]) + gain, paired=True)
        assert judge(same, same.p_value, 1, RULES) == verdict


def test_without_an_interval_nothing_is_decided() -> None:
    assert judge(None, nan, 1, RULES) == UNDECIDED
    assert judge(Difference(30.0, nan, nan, (1, 1)), nan, 1, RULES) == UNDECIDED


def test_holm_of_a_worked_case() -> None:
    # 0.01 * 4, 0.02 * 3, then 0.03 * 2 and 0.04 * 1 are raised to the one before
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    # a test that could not be made is still a member
    assert holm([0.01, nan])[0] == pytest.approx(0.02)
    assert np.isnan(holm([0.01, nan])[1])
    assert holm([]) == []


def test_a_claim_needs_all_of_its_comparisons() -> None:
    assert judge_whole([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert judge_whole([EQUAL, EQUAL]) == EQUAL
    assert judge_whole([SUPPORTED, EQUAL]) == UNDECIDED
    assert judge_whole([SUPPORTED, UNDECIDED]) == UNDECIDED
    assert judge_whole([SUPPORTED, CONTRADICTED, UNDECIDED]) == CONTRADICTED


# A sweep of networks with known mistakes


def network(run: str, seed: int, wrong: NDArray[np.int64], early: NDArray[np.int64] | None = None) -> SeedResult:
    """Make a result with these mistakes after 20 epochs, and those after epoch 5 where they are kept."""

    def predictions(mistakes: NDArray[np.int64]) -> NDArray[np.uint8]:
        predicted = LABELS.copy()
        predicted[mistakes] = (predicted[mistakes] + 1) % 10
        return predicted

    accuracy = 1 - len(wrong) / len(LABELS)
    curve = [accuracy] * 20
    if early is not None:
        curve[4] = 1 - len(early) / len(LABELS)
    settings: dict[str, Any] = dict.fromkeys(("profile", "learning_rate", "momentum", "batch_size", "method"), 0)
    settings |= {"epochs": 20, "train_images": 6000}
    kept = {} if early is None else {5: predictions(early)}
    return SeedResult(
        run, seed, settings, curve, [0.1] * 20, accuracy, 0.1, 1.0, 1, "", {}, predictions(wrong), earlier=kept
    )


def sweep(gain: int, seeds: int = 6, early: bool = False) -> list[SeedResult]:
    """Make ReLU and Leaky ReLU of some seeds: the second has `gain` mistakes fewer of about 60."""
    random = np.random.default_rng(5)
    results = []
    for seed in range(seeds):
        wrong = random.choice(1000, 60 + seed % 3, replace=False)
        better = wrong[gain:] if gain >= 0 else np.concatenate([wrong, np.setdiff1d(np.arange(1000), wrong)[:-gain]])
        for run, mistakes in (("torch-baseline-20", wrong), ("torch-leaky-relu-20", better)):
            results.append(network(run, seed, mistakes, mistakes[:50] if early else None))
    return results


@pytest.mark.parametrize(("gain", "verdict"), [(30, CONTRADICTED), (-30, SUPPORTED)])
def test_a_large_difference_is_seen(gain: int, verdict: str) -> None:
    [evidence] = weigh(sweep(gain), [WITHOUT], LABELS)
    assert evidence.verdict == verdict
    assert evidence.over_seeds is not None
    assert evidence.with_images is not None
    assert evidence.over_seeds.mean == pytest.approx(gain / 1000)
    assert evidence.over_seeds.error < evidence.with_images.error
    assert evidence.improvement is not None
    assert evidence.improvement.share == (gain > 0)
    assert evidence.interim  # the plan has 30 seeds
    assert judge_all([evidence]) == f"{verdict}, interim (1 {verdict}; 6 seeds or more)"
    assert evidence_table([evidence])["verdict"].iloc[0] == f"{verdict}, interim"


def test_a_verdict_is_interim_until_the_planned_seeds_are_there() -> None:
    [complete] = weigh(sweep(-30, seeds=30), [WITHOUT], LABELS)
    assert not complete.interim
    assert judge_all([complete]) == f"{SUPPORTED} (1 {SUPPORTED}; 30 seeds or more)"
    deep = [network("torch-deep-bn-20", seed, np.arange(seed % 3, 60)) for seed in range(10)]
    against = Comparison("deep against small", "torch-baseline-20", "torch-deep-bn-20", 1)
    for seeds, lacking in ((29, True), (30, False)):
        [found] = weigh([*sweep(0, seeds=seeds), *deep], [against], LABELS)
        assert found.interim is lacking
    [own] = weigh(sweep(-30), [WITHOUT], LABELS, {20: 20})  # a sweep of one's own: the plan is not for it
    assert not own.interim


def test_equal_networks_are_practically_equal() -> None:
    [evidence] = weigh(sweep(0), [WITHOUT], LABELS)
    assert (evidence.verdict, evidence.bounded) == (EQUAL, False)


def test_without_predictions_the_images_add_the_most_that_they_can() -> None:
    after_5 = CLAIMS[2].comparisons[2]
    [kept] = weigh(sweep(0, early=True), [after_5], LABELS)
    assert (kept.verdict, kept.bounded) == (EQUAL, False)
    [lost] = weigh(sweep(0), [after_5], LABELS)
    assert (lost.verdict, lost.bounded) == (UNDECIDED, True)
    assert lost.over_seeds is not None
    assert lost.over_seeds.error == 0  # over seeds alone it would be equal
    assert evidence_table([lost])["over seeds and images"].iloc[0].endswith(" (at widest)")


def test_a_gap_compares_training_and_test() -> None:
    [gap] = weigh(sweep(30), [Comparison("gap", "torch-baseline-20", "torch-leaky-relu-20", 1, True, "gap")], LABELS)
    assert gap.over_seeds is not None
    assert gap.over_seeds.mean == 0  # training and test accuracy are the same here
    assert (gap.bounded, gap.published) == (True, None)


def test_the_last_epochs_of_short_and_long_trainings_are_not_mixed() -> None:
    long = network("torch-baseline-20", 3, np.arange(60), early=np.arange(80))
    curves = {name: getattr(long, name)[:5] for name in ("test_accuracy", "test_loss")}
    short = replace(long, run="torch-baseline-5", seed=4, settings={**long.settings, "epochs": 5}, **curves)
    assert last_epochs(sweep_table([long, long]), "torch-baseline-20")["test"].tolist() == [0.94]
    with pytest.raises(LabError, match="several settings"):
        last_epochs(sweep_table([short, long]), "torch-baseline-20")


def test_a_seed_with_two_results_is_refused() -> None:
    one, two = (network("torch-baseline-20", 3, np.arange(mistakes)) for mistakes in (60, 61))
    for read in (accuracies, last_epochs):
        with pytest.raises(LabError, match="several settings"):
            read(sweep_table([one, two]), "torch-baseline-20")


def test_a_run_without_seeds_stays_a_member_of_its_family() -> None:
    results = [r for r in sweep(-30) if r.seed < 4]
    alone, family = weigh(results, [WITHOUT], LABELS), weigh(results, FAMILIES["the four claims"], LABELS)
    [same] = [e for e in family if e.comparison == WITHOUT]
    assert same.adjusted_p == pytest.approx(min(1.0, 10 * alone[0].adjusted_p), rel=0.6)
    assert same.adjusted_p > alone[0].adjusted_p
    assert sum(e.verdict == UNDECIDED and e.over_seeds is None for e in family) >= 5
    for table in (evidence_table(family), improvement_table(family), seeds_needed_table(family)):
        assert len(table) == 10
    assert reproduction_table(sweep_table(results)).loc["keras-baseline-5", "published lies"] == "–"


def test_one_seed_decides_nothing() -> None:
    [evidence] = weigh(sweep(-30, seeds=1), [WITHOUT], LABELS)
    assert evidence.verdict == UNDECIDED
    assert evidence_table([evidence]).loc[WITHOUT.words, "over seeds"] == "–"


# The plan


def test_the_rules_are_those_of_the_plan() -> None:
    assert read_rules() == Rules(0.05, 0.001)
    assert set(FAMILIES) == set(read_plan()["families"])
    assert [len(FAMILIES[name]) for name in ("the four claims", "the cause of claim 2", "ablation")] == [10, 6, 12]


def test_every_run_of_a_family_is_planned() -> None:
    for family in FAMILIES.values():
        for comparison in family:
            for run in (comparison.first, comparison.second):
                assert planned_seeds(run) >= 5, run


def test_planned_seeds_and_their_state() -> None:
    assert (planned_seeds("torch-baseline-20"), planned_seeds("torch-baseline-5")) == (30, 30)
    assert (planned_seeds("keras-leaky-relu-5"), planned_seeds("torch-deep-bn-without-depth-20")) == (10, 5)
    assert (state(0, 10), state(9, 10), state(10, 10)) == ("not yet", "interim", "complete")


def test_what_is_paired_starts_from_the_same_weights() -> None:
    torch = pytest.importorskip("torch")
    from labkit.torch.networks import build

    for comparison in (c for family in FAMILIES.values() for c in family):
        recipes = [recipe(run) for run in (comparison.first, comparison.second)]
        if {framework for framework, _, _ in recipes} != {"torch"}:
            continue
        weights = [list(build(network, activation, 0).parameters()) for _, network, activation in recipes]
        shapes = [[w.shape for w in of_one] for of_one in weights]
        same = shapes[0] == shapes[1] and all(map(torch.equal, *weights))
        assert same == comparison.paired, comparison.words
