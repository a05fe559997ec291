"""Turn a full report into what the series ships: outputs in the notebooks, figures, the reference run.

For maintainers: `python -m labkit.report.publish REPORT_DIR` after `labkit report --profile full --out REPORT_DIR`,
and the same with `--profile quick --workers 1` for the times that the notebooks name. Without REPORT_DIR it makes the
README's tables anew, for instance after `labkit bench --out data/reference/bench/MACHINE`.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from labkit.base.errors import LabError
from labkit.base.files import write_text
from labkit.base.paths import project_dir, reference_dir
from labkit.bench.compare import best_loops, goal_line, rounded
from labkit.data.mnist import load_mnist
from labkit.report.series import series
from labkit.runs.records import load_records, reference_records
from labkit.runs.registry import ten_runs
from labkit.stats.claims import CLAIMS, FAMILIES
from labkit.stats.evidence import judge_all, weigh
from labkit.stats.evidence_tables import reproduction_table
from labkit.stats.sweeps import SeedResult, reference_sweep, sweep_table

MODEL_LIMIT_BYTES = 3_000_000


def publish(report: Path) -> None:
    """Copy a full report's outputs, figures, results, predictions and models into the project.

    The report is one of the whole series, without parameters. Of a quick one only the seconds that its notebooks took
    are kept: notebooks say from them how long they take.
    """
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))
    if results["parameters"]:
        raise LabError(f"{report}: valid is a report without parameters")
    failed = [n["notebook"] for n in results["notebooks"] if n["status"] == "failed"]
    if failed:
        raise LabError(f"{report}: failed: {', '.join(failed)}")
    if results["profile"] == "quick":
        _publish_times(results)
        return
    for name, path in series().items():
        _publish_notebook(report / f"{name}.ipynb", path)
    _publish_reference(report, results)
    _replace_folder(report / "figures", project_dir() / "figures", "*.png")
    publish_readme()


def publish_readme() -> None:
    """Make the tables of the README anew from the reference run and the committed benchmarks."""
    readme = project_dir() / "README.md"
    write_text(readme, with_tables(readme.read_text(encoding="utf-8")))


def with_tables(readme: str) -> str:
    """Return the README with its tables made anew: whether the report reproduced, claims, results and speed.

    Each stands between two comments, `<!-- results: ... -->` and `<!-- end of results -->` for instance.
    """
    seeds = reference_sweep()
    tables = {
        "reproduced": _reproduced_markdown(seeds),
        "claims": _claims_markdown(seeds),
        "results": _results_markdown(),
        "speed": _speed_markdown(),
    }
    for name, table in tables.items():
        before, comment, rest = re.split(rf"(<!-- {name}:.*?-->\n)", readme, maxsplit=1)
        end = rest.index(f"<!-- end of {name} -->")
        readme = f"{before}{comment}{table}{rest[end:]}"
    return readme


def _reproduced_markdown(seeds: Sequence[SeedResult]) -> str:
    table = reproduction_table(sweep_table(seeds))
    lines = [f"| run | {' | '.join(table.columns)} |", "|---" * (len(table.columns) + 1) + "|"]
    lines += [f"| {run} | {' | '.join(row)} |" for run, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join(lines) + "\n"


def _claims_markdown(seeds: Sequence[SeedResult]) -> str:
    evidence = weigh(seeds, FAMILIES["the four claims"], load_mnist().test_labels)
    verdicts = {claim.text: judge_all([e for e in evidence if e.comparison in claim.comparisons]) for claim in CLAIMS}
    lines = ["| claim | verdict on the difference |", "|---|---|"]
    lines += [f"| {text} | {verdict} |" for text, verdict in verdicts.items()]
    return "\n".join(lines) + "\n"


def _results_markdown() -> str:
    reference = reference_records()
    lines = ["| run | epochs | published (%) | reference run (%) | deviation (points) |", "|---|---|---|---|---|"]
    for run in ten_runs().values():
        ours, theirs = 100 * reference[run.id].test.accuracy, 100 * run.published.accuracy
        lines.append(f"| {run.id} | {run.epochs} | {theirs:.2f} | {ours:.2f} | {ours - theirs:+.2f} |")
    return "\n".join(lines) + "\n"


def _speed_markdown() -> str:
    lines = []
    for path in sorted((reference_dir() / "bench").glob("*/bench.json")):
        bench = json.loads(path.read_text(encoding="utf-8"))
        packages = [name for name in ("torch", "tensorflow", "keras") if name in bench["environment"]]
        versions = ", ".join(f"{name} {bench['environment'][name]}" for name in packages)
        lines += [
            f"{bench['device']}; {versions}; median of {bench['repeats']} measurements of {bench['batches']} batches",
            "each, the loops in turn, warm-up excluded; counted for an epoch of 469 batches:",
            "",
            "| network | labkit (s per epoch) | usual loop (s per epoch) | times as fast |",
            "|---|---|---|---|",
        ]
        for network, (ours, theirs) in best_loops(bench).items():
            lines.append(
                f"| {network} | {rounded(ours['seconds'])} | {rounded(theirs['seconds'])} ({theirs['loop']}) "
                f"| {theirs['ratio']:.2g} |"
            )
        lines.append("")
        if calls := [
            f"{network} {taken['call']:.0f} s, of which training {taken['seconds']:.0f}"
            for network, taken in bench["fit_calls"].items()
        ]:
            lines += [
                "`model.fit` is timed to its last batch. One whole call over an epoch, timed once: "
                f"{'; '.join(calls)}. Notebook 08 says what it waits for.",
                "",
            ]
        if bench["goals"]:
            precision = "" if "no GPU" in bench["device"] else ", in TF32"
            lines += [
                f"| goal of notebook 08{precision} | test accuracy and seconds of training, mean and deviation |",
                "|---|---|",
            ]
            lines += [f"| {name} | {goal_line(goal)} |" for name, goal in bench["goals"].items()]
            lines.append("")
    return "\n".join(lines)


def _publish_notebook(executed: Path, source: Path) -> None:
    ours = nbformat.read(source, as_version=4)
    theirs = nbformat.read(executed, as_version=4)
    if [c.source for c in ours.cells] != [c.source for c in theirs.cells]:
        raise LabError(f"{source}: changed after the report was run")
    for cell, run in zip(ours.cells, theirs.cells, strict=True):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = run.outputs, run.execution_count
    nbformat.validate(ours)
    nbformat.write(ours, source)


def _publish_reference(report: Path, results: dict[str, Any]) -> None:
    target = reference_dir()
    kept = [record.to_dict() for record in load_records(report).values()]
    content = {key: results[key] for key in ("profile", "versions", "device")} | {"runs": kept}
    write_text(target / "results.json", json.dumps(content, indent=1) + "\n")
    _replace_folder(report / "models", target / "models", "*.keras", "*.pth")
    for model in (target / "models").iterdir():
        if model.stat().st_size > MODEL_LIMIT_BYTES:
            raise LabError(f"{model}: larger than {MODEL_LIMIT_BYTES:,} bytes")
    predictions = target / "predictions"
    predictions.mkdir(parents=True, exist_ok=True)
    for run_id in ten_runs():
        shutil.copyfile(report / "predictions" / f"{run_id}.npz", predictions / f"{run_id}.npz")


def _publish_times(results: dict[str, Any]) -> None:
    if any(n["status"] != "done" for n in results["notebooks"]):
        raise LabError("notebooks were skipped: valid is a report without --resume")
    seconds = {n["notebook"]: round(n["seconds"], 1) for n in results["notebooks"]}
    content = {"profile": "quick", "device": results["device"], "seconds": seconds}
    write_text(reference_dir() / "times.json", json.dumps(content, indent=1) + "\n")


def _replace_folder(source: Path, target: Path, *patterns: str) -> None:
    """Make the files of these patterns in `target` the same as those in `source`."""
    target.mkdir(parents=True, exist_ok=True)
    for pattern in patterns:
        for old in target.glob(pattern):
            old.unlink()
        for new in source.glob(pattern):
            shutil.copyfile(new, target / new.name)


def main() -> None:
    """Publish the report that the command line names; without one, make the tables of the README anew."""
    parser = argparse.ArgumentParser(prog="labkit.report.publish", description=main.__doc__)
    parser.add_argument("report", nargs="?", type=Path, metavar="REPORT_DIR", help="folder of a report")
    report = parser.parse_args().report
    try:
        publish(report) if report else publish_readme()
    except (LabError, OSError) as problem:
        sys.exit(f"labkit.report.publish: {problem}")
    print(f"published into {project_dir()}")


if __name__ == "__main__":
    main()
