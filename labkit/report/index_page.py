"""The front page of a report, and `results.json`, from what the notebooks left in its folder."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import Environment, PackageLoader, select_autoescape

from labkit.base.files import write_text
from labkit.report.drawing_page import reference_onnx, write_draw_page
from labkit.report.series import SUMMARY, Outcome, series
from labkit.runs.computer import device_name, environment
from labkit.runs.records import load_records, reference_records
from labkit.stats.results_table import format_table, results_table


def write_report(out: Path, outcomes: Sequence[Outcome], profile: str, parameters: Mapping[str, Any]) -> None:
    """Write `results.json` and `index.html` from what the notebooks left in the folder."""
    records = load_records(out)
    results = {
        "profile": profile,
        "parameters": dict(parameters),
        "versions": environment(),
        "device": device_name(),
        "notebooks": [{k: v for k, v in asdict(o).items() if k != "key"} for o in outcomes],
        "runs": [record.to_dict() for record in records.values()],
    }
    write_text(out / "results.json", json.dumps(results, indent=1) + "\n")
    draw_page = write_draw_page(out) if reference_onnx().exists() else None
    jinja = Environment(loader=PackageLoader("labkit.report"), autoescape=select_autoescape())
    page = jinja.get_template("index.html").render(
        results=results,
        table=format_table(results_table(records)).reset_index().astype(str).to_dict("records"),
        has_reference=bool(reference_records()),
        outcomes=outcomes,
        titles={name: _title(out / f"{name}.ipynb") for name in series()},
        figures=_figures(out),
        draw_page=draw_page,
        pdf=f"{SUMMARY}.pdf" if (out / f"{SUMMARY}.pdf").exists() else None,
    )
    write_text(out / "index.html", page)


def _title(executed: Path) -> str:
    cells = nbformat.read(executed, as_version=4).cells if executed.exists() else []
    headings = (c.source.splitlines()[0] for c in cells if c.cell_type == "markdown" and c.source.startswith("# "))
    return next(headings, executed.stem).removeprefix("# ")


def _figures(out: Path) -> list[dict[str, str]]:
    """Return the figures of the report with their alternative texts, from the executed notebooks."""
    alts: dict[bytes, str] = {}  # by the figure itself: `lab.show` saves what it displays
    for name in series():
        executed = out / f"{name}.ipynb"
        if executed.exists():
            alts |= {
                base64.b64decode(o.data["image/png"]): o.metadata.get("image/png", {}).get("alt", "")
                for c in nbformat.read(executed, as_version=4).cells
                if c.cell_type == "code"
                for o in c.outputs
                if o.output_type == "display_data" and "image/png" in o.data
            }
    return [
        {"file": f.name, "alt": alts.get(f.read_bytes()) or f.stem} for f in sorted((out / "figures").glob("*.png"))
    ]
