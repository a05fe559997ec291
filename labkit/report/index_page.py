"""The front page of a report, and `results.json`, from what the notebooks left in its folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.base.files import write_text
from labkit.report.cards import Figure, card_of
from labkit.report.drawing_page import write_draw_page
from labkit.report.findings import findings
from labkit.report.pages import render
from labkit.report.series import SUMMARY, Outcome, series
from labkit.runs.computer import device_name, environment
from labkit.runs.records import load_records
from labkit.stats.results_table import format_table, results_table

BEST_BECAUSE = "06_deep_bn_network"  # says why the best network is the best


def write_report(
    out: Path, outcomes: Sequence[Outcome], profile: str, parameters: Mapping[str, Any], workers: int
) -> None:
    """Write `results.json` and `index.html` from what the notebooks left in the folder."""
    records = load_records(out)
    results = {
        "profile": profile,
        "parameters": dict(parameters),
        "versions": environment(),
        "device": device_name(),
        "workers": workers,  # each notebook has its share of the cores: the last bits of a result depend on it
        "notebooks": [outcome.to_dict() for outcome in outcomes],
        "runs": [record.to_dict() for record in records.values()],
    }
    write_text(out / "results.json", json.dumps(results, indent=1) + "\n")
    files = {path.read_bytes(): path.name for path in sorted((out / "figures").glob("*.png"))}
    cards = {name: card_of(out / f"{name}.ipynb", files) for name in series()}
    placed = {figure.file for card in cards.values() for figure in card.figures}
    write_draw_page(out)
    page = render(
        "index.html",
        results=results,
        table=format_table(results_table(records)).reset_index().astype(str).to_dict("records"),
        outcomes=outcomes,
        cards=cards,
        others=[Figure(file, Path(file).stem) for file in files.values() if file not in placed],
        found=findings(),
        best_because=BEST_BECAUSE,
        pdf=f"{SUMMARY}.pdf" if (out / f"{SUMMARY}.pdf").exists() else None,
    )
    write_text(out / "index.html", page)
