"""The tables of notebook 09 and of the README, computed again from the committed data with SciPy and statsmodels alone.

Nothing here computes with labkit: it only gives the tables that are compared, and the comparisons in their order.
"""

import gzip
import json
from functools import cache
from itertools import product
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from labkit.stats import (
    FAMILIES,
    Comparison,
    evidence_table,
    improvement_table,
    mcnemar_table,
    reference_sweep,
    reproduction_table,
    seeds_needed_table,
    sweep_table,
    weigh,
)

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
PLAN = json.loads((DATA / "reference" / "evidence" / "plan.json").read_text(encoding="utf-8"))
REPORT = {run["id"]: run for run in json.loads((DATA / "published" / "report.json").read_text("utf-8"))["runs"]}
FAMILY_NAMES = ["the four claims", "the cause of claim 2", "ablation", "loop equivalence"]
Values = NDArray[np.float64]


@cache
def labels() -> NDArray[np.uint8]:
    with gzip.open(DATA / "mnist" / "t10k-labels-idx1-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=8)


@cache
def shipped(run: str) -> dict[int, dict[str, Any]]:
    """Return the seeds of a run of 20 epochs, with `right` after the epochs whose predictions are there."""
    path = DATA / "reference" / "evidence" / f"{run}.json"
    if not path.exists():
        return {}
    seeds = json.loads(path.read_text(encoding="utf-8"))["seeds"]
    arrays = np.load(path.with_suffix(".npz"))
    for row, entry in enumerate(seeds):
        entry["right"] = {int(n[6:]): arrays[n][row] == labels() for n in arrays.files if n.startswith("epoch_")}
    return {entry["seed"]: entry for entry in seeds}


def seeds_of(run: str) -> tuple[dict[int, dict[str, Any]], int]:
    """Return the seeds of a run, those of a run of 5 epochs from the one of 20, and after which epoch it is read."""
    name, _, epochs = run.rpartition("-")
    return shipped(run) or shipped(f"{name}-20"), int(epochs)


def value(entry: dict[str, Any], epoch: int, of: str) -> float:
    test: float = entry["test_accuracy"][epoch - 1]
    train: float = entry["train_accuracy"]
    return {"test": test, "train": train, "gap": train - test}[of]


def p_text(p: float) -> str:
    return "–" if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def rest_mean_square(table: Values) -> float:
    rest = table - table.mean(1)[:, None] - table.mean(0)[None, :] + table.mean()
    return float(np.sum(rest**2) / (table.shape[0] - 1) / (table.shape[1] - 1))


def compared(c: Comparison) -> dict[str, Any] | None:
    """Return mean, both errors and the degrees of freedom of a comparison; None without seeds."""
    (first, after_first), (second, after_second) = seeds_of(c.first), seeds_of(c.second)
    if c.paired:
        shared = sorted(first.keys() & second.keys())
        first, second = ({seed: run[seed] for seed in shared} for run in (first, second))
    if not first or not second:
        return None
    x, y = (
        np.array([value(run[s], epoch, c.of) for s in sorted(run)])
        for run, epoch in ((first, after_first), (second, after_second))
    )
    test = stats.ttest_rel(y, x) if c.paired else stats.ttest_ind(y, x, equal_var=False)
    interval = test.confidence_interval(0.95)
    error = (interval.high - interval.low) / 2 / stats.t.ppf(0.975, test.df)
    if c.paired and len(x) > 1 and np.allclose(y - x, (y - x)[0]):
        error = 0.0  # where SciPy has no number, because all differences are equal
    sides = [([run[s] for s in sorted(run)], epoch) for run, epoch in ((first, after_first), (second, after_second))]
    images, mistakes, bounded = 0.0, 0.0, False
    if c.of != "train":
        right = [np.array([seed["right"][epoch] for seed in run], float) for run, epoch in sides]
        mean_gain = right[1].mean(0) - right[0].mean(0)
        groups = [right[1] - right[0]] if c.paired else right
        mistakes = sum(rest_mean_square(g) / g.size for g in groups)
        images = max(0.0, mean_gain.var(ddof=1) / len(mean_gain) - mistakes)
    if c.of != "test":
        images += most([float(np.mean([s["train_accuracy"] for s in run])) for run, _ in sides], 60_000)
        bounded = True
    both = sqrt(max(error**2, mistakes) + images)
    mean = float(y.mean() - x.mean())
    return {"x": x, "y": y, "mean": mean, "error": error, "both": both, "df": test.df, "bounded": bounded}


def most(accuracies: list[float], images: int) -> float:
    """Return the most that the images can add: two networks differ on no more images than they get wrong."""
    a, b = accuracies
    return float((2 - a - b - (b - a) ** 2) / images)


def interval_text(low: float, high: float) -> str:
    return "–" if np.isnan(low) else f"{low:+.1f} to {high:+.1f}"


def planned(run: str) -> int:
    name, _, epochs = run.rpartition("-")
    stages = [stage for stage in PLAN["stages"] if int(epochs) in stage["test_after"]]
    return sum(stage["seeds"] for stage in stages if {run, f"{name}-20"} & set(stage["runs"]))


def interim(c: Comparison) -> bool:
    """Return whether the plan has more seeds than there are; of pairs no more than the run with fewer has."""
    there = [set(seeds_of(run)[0]) for run in (c.first, c.second)]
    if c.paired:
        return len(there[0] & there[1]) < min(planned(c.first), planned(c.second))
    return any(len(seeds) < planned(run) for seeds, run in zip(there, (c.first, c.second), strict=True))


def family_table(name: str) -> list[dict[str, str]]:
    """Return the rows of the evidence table of a family."""
    found = [compared(c) for c in FAMILIES[name]]
    margin, level = PLAN["margin_images"] / 10_000, PLAN["alpha"]
    p = [float(2 * stats.t.sf(abs(f["mean"]) / f["both"], f["df"])) if f else 1.0 for f in found]
    alone = np.isnan(p)  # one seed on one side: no test, and a member of the family all the same
    p = list(np.where(alone, 1.0, p))
    holm = multipletests(p, method="holm")[1]
    rows = []
    for c, f, adjusted in zip(FAMILIES[name], found, np.where(alone, np.nan, holm), strict=True):
        if f is None:
            rows.append(
                {"mean": "–", "over seeds": "–", "over seeds and images": "–", "p (Holm)": "–", "p (equal)": "–"}
            )
            rows[-1] |= {"verdict": "undecided, interim", "seeds": "0"}
            continue
        half = {e: stats.t.ppf(0.975, f["df"]) * f[e] for e in ("error", "both")}
        ends = {e: (1e4 * (f["mean"] - half[e]), 1e4 * (f["mean"] + half[e])) for e in half}
        equal = max(
            stats.t.sf((f["mean"] + margin) / f["both"], f["df"]),
            stats.t.cdf((f["mean"] - margin) / f["both"], f["df"]),
        )
        if equal < level:
            verdict = "practically equal"
        elif adjusted < level:
            verdict = "supported" if np.sign(f["mean"]) == c.claimed else "contradicted"
        else:
            verdict = "undecided"
        rows.append(
            {
                "seeds": f"{len(f['x'])} pairs" if c.paired else f"{len(f['x'])} and {len(f['y'])}",
                "mean": f"{1e4 * f['mean']:+.1f}",
                "over seeds": interval_text(*ends["error"]),
                "over seeds and images": interval_text(*ends["both"]) + (" (at widest)" if f["bounded"] else ""),
                "p (Holm)": p_text(adjusted),
                "p (equal)": p_text(equal),
                "verdict": verdict + (", interim" if interim(c) else ""),
            }
        )
    return rows


@pytest.fixture(scope="module")
def evidence() -> dict[str, Any]:
    results = reference_sweep()
    return {name: weigh(results, FAMILIES[name], labels()) for name in FAMILY_NAMES}


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_the_evidence_tables(name: str, evidence: dict[str, Any]) -> None:
    table = evidence_table(evidence[name])
    expected = pd.DataFrame(family_table(name), index=table.index)
    for column in expected:
        assert list(table[column]) == list(expected[column]), column
    differences = [
        f"{1e4 * (REPORT[c.second]['test']['accuracy'] - REPORT[c.first]['test']['accuracy']):+.0f}"
        if c.of == "test" and {c.first, c.second} <= REPORT.keys()
        else "–"
        for c in FAMILIES[name]
    ]
    assert list(table["published"]) == differences


def test_the_probabilities_of_improvement(evidence: dict[str, Any]) -> None:
    table = improvement_table(evidence["the four claims"])
    for c in FAMILIES["the four claims"]:
        found = compared(c)
        assert found is not None
        pairs = zip(found["x"], found["y"], strict=True) if c.paired else product(found["x"], found["y"])
        wins = [0.5 if abs(y - x) < 1e-9 else float(y > x) for x, y in pairs]
        assert table.loc[c.words, "second better"] == f"{np.mean(wins):.0%}"
        if np.mean(wins) in (0, 1):
            throws = min(len(found["x"]), len(found["y"]))
            ends = [0.025 ** (1 / throws), 1.0] if np.mean(wins) else [0.0, 1 - 0.025 ** (1 / throws)]
            assert table.loc[c.words, "95% interval"] == f"{ends[0]:.0%} to {ends[1]:.0%}"


def test_the_seeds_that_are_needed(evidence: dict[str, Any]) -> None:
    members = [e for e in evidence["the four claims"] if e.comparison.paired]
    table = seeds_needed_table(members)
    for c in (e.comparison for e in members):
        found = compared(c)
        assert found is not None
        n, s = len(found["x"]), np.std(found["y"] - found["x"], ddof=1)
        if found["error"] == 0:
            assert table.loc[c.words, "pairs needed"] == "–"
            continue
        published = REPORT[c.second]["test"]["accuracy"] - REPORT[c.first]["test"]["accuracy"]
        ends = [sqrt((n - 1) * s**2 / stats.chi2.ppf(q, n - 1)) for q in (0.975, 0.025)]
        words = [table.loc[c.words, "pairs needed"], *str(table.loc[c.words, "95% range of that"]).split(" to ")]
        for deviation, word in zip((s, *ends), words, strict=True):
            needed = int(str(word).replace(",", ""))
            chance = [
                TTestPower().power(abs(published) / deviation, m, 0.025, alternative="larger")
                for m in (needed - 1, needed)
                if m > 1
            ]
            assert chance[-1] >= 0.8 - 1e-6
            assert needed == 2 or chance[0] < 0.8


def test_mcnemar_of_every_seed() -> None:
    runs = ["torch-baseline-20", "torch-leaky-relu-20"]
    table = mcnemar_table(reference_sweep(), runs[0], runs[1], labels())
    first, second = (shipped(run) for run in runs)
    assert list(table.index) == sorted(first.keys() & second.keys())
    for seed, row in table.iterrows():
        a, b = (run[int(str(seed))]["right"][20] for run in (first, second))
        one, other = int(np.sum(a & ~b)), int(np.sum(b & ~a))
        assert list(row) == [one, other, p_text(stats.binomtest(one, one + other).pvalue)]


def reproduction() -> dict[str, dict[str, str]]:
    """Return the rows of the table of the ten published runs."""
    rows = {}
    for run, report in REPORT.items():
        seeds, epoch = seeds_of(run)
        x = np.array([100 * seeds[s]["test_accuracy"][epoch - 1] for s in sorted(seeds)])
        published = 100 * report["test"]["accuracy"]
        frame = OLS(x, np.ones(len(x))).fit().get_prediction([1.0]).summary_frame(alpha=0.05).iloc[0]
        deviation = np.std(x, ddof=1) * sqrt(1 + 1 / len(x))
        rows[run] = {
            "published (%)": f"{published:.2f}",
            "seeds": str(len(x)),
            "state": "complete" if len(x) >= planned(run) else "interim",
            "mean (%)": f"{100 * (x / 100).mean():.2f}",  # rounded as labkit does it, where it ends with a 5
            "95% interval": f"{frame['mean_ci_lower']:.2f} to {frame['mean_ci_upper']:.2f}",
            "one more run, 95%": f"{frame['obs_ci_lower']:.2f} to {frame['obs_ci_upper']:.2f}",
            "z": f"{(published - x.mean()) / deviation:+.2f}",
            "published lies": "inside" if frame["obs_ci_lower"] <= published <= frame["obs_ci_upper"] else "outside",
        }
    return rows


def test_whether_the_report_reproduced() -> None:
    assert reproduction_table(sweep_table(reference_sweep())).to_dict("index") == reproduction()


def rows_of_the_readme(name: str) -> list[str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition(f"<!-- {name}:")[2].partition(f"<!-- end of {name} -->")[0]
    return [line for line in table.splitlines() if line.startswith("| ")][1:]


def test_the_claims_of_the_readme() -> None:
    family = iter(zip(FAMILIES["the four claims"], family_table("the four claims"), strict=True))
    lines = rows_of_the_readme("claims")
    assert len(lines) == 4
    for line, members in zip(lines, (2, 1, 4, 3), strict=True):  # comparisons of each claim
        rows = [next(family) for _ in range(members)]
        verdicts = [row["verdict"].removesuffix(", interim") for _, row in rows]
        whole = "contradicted" if "contradicted" in verdicts else verdicts[0] if len({*verdicts}) == 1 else "undecided"
        so_far = ", interim" if any(interim(c) for c, _ in rows) else ""
        order = ("supported", "contradicted", "practically equal", "undecided")
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in order if v in verdicts)
        seeds = min(int(n) for _, row in rows for n in row["seeds"].removesuffix(" pairs").split(" and "))
        assert line.endswith(f"| {whole}{so_far} ({counts}; {seeds} seeds or more) |")


def test_the_table_of_the_readme() -> None:
    lines = rows_of_the_readme("reproduced")
    assert lines == [f"| {run} | {' | '.join(row.values())} |" for run, row in reproduction().items()]
