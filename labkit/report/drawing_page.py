"""The drawing page of a report: the network runs in the visitor's browser, from files of the report's folder."""

import gzip
import shutil
from pathlib import Path

from labkit.base.errors import LabError
from labkit.base.files import write_text
from labkit.base.paths import PACKAGE, reference_dir
from labkit.report.pages import render

STATIC = PACKAGE / "report" / "static"
PAD = PACKAGE / "lab" / "static"  # shared with the widget
SCRIPTS = (STATIC / "draw_page.js", PAD / "pad.js", PAD / "panel.js", PAD / "unit.js")
# onnxruntime-web, kept packed: its WebAssembly is 14 MB
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def reference_onnx() -> Path:
    """Return the shipped network of the page, deep-bn of the reference run as `labkit export` writes it.

    Its wires lie beside it, in a `.json` of the same name.
    """
    return reference_dir() / "onnx" / "deep-bn.onnx"


def write_draw_page(out: Path) -> Path:
    """Write `draw.html` and its folder `draw/` into a report; return the path of the page.

    It has to be opened from a web server: browsers run no WebAssembly from `file://`.
    """
    model = reference_onnx()
    folder = out / "draw"
    try:
        (folder / "ort").mkdir(parents=True, exist_ok=True)
        for script in SCRIPTS:
            shutil.copyfile(script, folder / script.name)
        for name in RUNTIME:
            (folder / "ort" / name).write_bytes(gzip.decompress((STATIC / "ort" / f"{name}.gz").read_bytes()))
        shutil.copyfile(STATIC / "ort" / "LICENSE", folder / "ort" / "LICENSE")
        shutil.copyfile(model, folder / "network.onnx")
        shutil.copyfile(model.with_suffix(".json"), folder / "network.json")
    except OSError as problem:
        raise LabError(f"{folder}: cannot be written: {problem.strerror or problem}") from None
    write_text(out / "draw.html", render("draw.html", pad_css=(PAD / "pad.css").read_text(encoding="utf-8")))
    return out / "draw.html"
