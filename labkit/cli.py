"""The command line: list, train, test, predict, export, report, verify, bench, sweep."""

import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from labkit.base.errors import LabError, one_line
from labkit.base.own_process import added_variables
from labkit.report.series import CELL_TIME_LIMIT_S

app = typer.Typer(
    name="labkit",
    help="Train, test and report the networks of the lab series on handwritten digits.",
    epilog="`labkit COMMAND --help` explains a command; `labkit --install-completion` sets up the Tab key.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _run_ids() -> list[str]:
    from labkit.runs.registry import ten_runs

    return list(ten_runs())


def _notebook_names() -> list[str]:
    from labkit.report.series import series

    return list(series())


def _profiles() -> list[str]:
    from labkit.runs.plans import PROFILES

    return list(PROFILES)


def _whole_number(option: str, meaning: str, lowest: int, highest: int | None = None) -> Any:
    """Return a Typer option for a whole number: Typer's own errors lack the value or what is valid, by release."""
    valid = f"whole numbers from {lowest} " + ("up" if highest is None else f"to {highest}")

    def read(given: str | int) -> int:  # Typer passes a default through it as well
        try:
            number = int(given)
        except ValueError:
            number = lowest - 1
        if number < lowest or (highest is not None and number > highest):
            raise LabError(f"{option} is {one_line(str(given))}: valid are {valid}")
        return number

    return typer.Option(metavar="N", parser=read, help=meaning)


def _parameter(meaning: str) -> Any:
    return typer.Option("--parameter", "-p", metavar="NAME VALUE", help=meaning)


ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="A .keras or .pth file.")]
_EXTENT = "How much is run: quick, full, or auto (full on a GPU, quick without)."
Profile = Annotated[str, typer.Option(help=_EXTENT, autocompletion=_profiles)]
Epochs = Annotated[int | None, _whole_number("--epochs", "Epochs, instead of those of the profile.", 1, 999)]
TimeLimit = Annotated[int, _whole_number("--time-limit", "Seconds that one cell may take.", 1)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors, and show no progress bar.")]


@contextmanager
def _quietly(wanted: bool) -> Iterator[None]:
    """Keep what is printed off stdout, and progress bars off the terminal."""
    if not wanted:
        yield
        return
    with added_variables({"LABKIT_QUIET": "1"}), redirect_stdout(io.StringIO()):
        yield


@contextmanager
def _report_extra() -> Iterator[None]:
    """Say in one line how to get what the imports in this block lack."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise LabError(f"a report needs {missing.name}: pip install 'labkit[report]'") from None


@app.command("list")
def list_runs(as_json: Json = False) -> None:
    """List the ten runs of the published report."""
    from labkit.runs.registry import ten_runs

    if as_json:
        print(json.dumps([asdict(run) for run in ten_runs().values()], indent=1))
        return
    print(f"{'run':22} {'framework':9} {'network':14} {'activation':10} {'epochs':>6} {'params':>8} {'published':>9}")
    for run in ten_runs().values():
        print(
            f"{run.id:22} {run.framework:9} {run.network:14} {run.activation:10} {run.epochs:6} {run.params:8,} "
            f"{100 * run.published.accuracy:8.2f}%"
        )


@app.command()
def train(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run of `labkit list`.", autocompletion=_run_ids)],
    epochs: Epochs = None,
    seed: Annotated[int | None, _whole_number("--seed", "Seed, instead of the run's own.", 0, 2**32 - 1)] = None,
    profile: Profile = "auto",
    out: Annotated[Path, typer.Option(help="Folder for models/, results/ and training states.")] = Path(),
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train one run of the report; save its model and its history."""
    from labkit.runs.registry import find_run

    run = find_run(run_id)
    from labkit.runs.train_run import train_run

    with _quietly(quiet or as_json):
        record = train_run(run, profile=profile, epochs=epochs, seed=seed, out=out, resume=resume)
    if as_json:
        summary = {k: v for k, v in record.to_dict().items() if k not in ("history", "batch_losses")}
        print(json.dumps({**summary, "model": str(out / "models" / run.model_file)}, indent=1))
    if record.interrupted:
        sys.exit(130)  # stopped with Ctrl-C; what was finished is saved


@app.command()
def test(model_path: ModelFile, as_json: Json = False) -> None:
    """Test a saved model on the 10,000 test images."""
    from labkit.runs.model_files import model_kind

    model_kind(model_path)  # a wrong path is reported before a framework is imported
    from labkit.data.mnist import load_mnist
    from labkit.runs.frameworks import test_model

    result = test_model(model_path, load_mnist())
    if as_json:
        print(json.dumps({"loss": result.loss, "correct": result.correct, "total": result.total}))
    else:
        print(result)


@app.command()
def predict(
    model_path: ModelFile,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Drawings, photos or scans of one digit.")],
    as_json: Json = False,
) -> None:
    """Tell which digit is on a drawing, photo or scan: dark on light or light on dark."""
    from labkit.data.digits import read_digit
    from labkit.runs.model_files import model_kind

    model_kind(model_path)  # wrong paths are reported before a framework is imported
    digits = [read_digit(path) for path in images]
    from labkit.runs.frameworks import load_probe

    probe = load_probe(model_path)
    answers = [probe(digit)[0] for digit in digits]
    if as_json:
        rows = [
            {"image": str(path), "class": int(p.argmax()), "probability": float(p.max()), "probabilities": p.tolist()}
            for path, p in zip(images, answers, strict=True)
        ]
        print(json.dumps(rows, indent=1))
        return
    for path, probabilities in zip(images, answers, strict=True):
        print(f"{path}: {probabilities.argmax()} ({100 * probabilities.max():.1f}%)")


@app.command()
def export(
    model_path: Annotated[Path, typer.Argument(metavar="MODEL", help="A .pth file.")],
    onnx_path: Annotated[Path, typer.Argument(metavar="FILE", help="The .onnx file to write.")],
) -> None:
    """Write a PyTorch model as ONNX, for the report's drawing page."""
    from labkit.runs.model_files import model_kind

    model_kind(model_path)
    from labkit.torch.onnx_export import export_onnx
    from labkit.torch.saving import load_model

    names = export_onnx(load_model(model_path), onnx_path)
    print(f"saved {onnx_path}: {', '.join(name for name in names if '/' not in name)}")  # without the weights


@app.command()
def report(
    notebooks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NOTEBOOK", help="Notebooks to run; all of them by default.", autocompletion=_notebook_names
        ),
    ] = None,
    profile: Profile = "auto",
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("reports"),
    parameter: Annotated[list[str] | None, _parameter("A parameter of the notebooks; may be repeated.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Skip the notebooks that are already done.")] = False,
    time_limit: TimeLimit = CELL_TIME_LIMIT_S,
    workers: Annotated[
        int | None,
        _whole_number("--workers", "Notebooks at the same time; by default 2 in the quick profile, 1 in the full.", 1),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the notebooks and write the report: pages, figures, a PDF of the summary, index.html and results.json."""
    from labkit.data.mnist import MNIST
    from labkit.runs.plans import resolve_profile

    with _report_extra():
        from labkit.report.papermill_run import parse_parameters, run_report
        from labkit.report.series import choose_notebooks

    chosen = choose_notebooks(notebooks or [])
    given = parse_parameters([split_pair(pair) for pair in parameter or []], chosen)
    if given.get("dataset", MNIST) != MNIST:
        # the notebooks run in the report's folder: a path from here must still be found there
        given["dataset"] = str(Path(given["dataset"]).resolve())
    with _quietly(quiet or as_json):
        settled = resolve_profile(str(given.get("profile", profile)))
        print(f"report: {len(chosen)} notebooks, profile {settled}, into {out}")
        about_pdf: list[str] = []
        outcomes = run_report(chosen, out, profile, given, resume, time_limit, about_pdf.append, workers)
        for outcome in outcomes:
            print(f"{outcome.status:8} {outcome.notebook:28} {outcome.seconds:7.1f} s  {outcome.problem}".rstrip())
        print(*about_pdf, f"report: {out / 'index.html'}", sep="\n")
    if as_json:
        done = {"report": str(out / "index.html"), "profile": settled, "notebooks": [o.to_dict() for o in outcomes]}
        print(json.dumps(done, indent=1))
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed if quiet else ():
        print(f"labkit: {outcome.notebook} failed: {outcome.problem}", file=sys.stderr)
    if failed:
        sys.exit(1)


@app.command()
def sweep(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Runs of `labkit list`.", autocompletion=_run_ids)
    ],
    seeds: Annotated[str, typer.Option(help="Seeds: 0-9, or 0-4,7.")] = "0-4",
    epochs: Epochs = None,
    train_images: Annotated[
        int | None, _whole_number("--train-images", "Training images, instead of those of the profile.", 1, 60_000)
    ] = None,
    profile: Profile = "auto",
    parameter: Annotated[
        list[str] | None, _parameter("Setting of a run, learning_rate or batch_size; given again for several values.")
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler: tcp://host:8786.")] = None,
    workers: Annotated[
        int | None, _whole_number("--workers", "Processes on this machine; 0: this one, without Dask.", 0)
    ] = None,
    threads: Annotated[int, _whole_number("--threads", "Threads of a job on the CPU.", 1)] = 1,
    replicas: Annotated[
        int, _whole_number("--replicas", "Seeds of a PyTorch run that are trained together, for a GPU.", 1)
    ] = 1,
    out: Annotated[Path, typer.Option(help="Folder of the sweep.")] = Path("sweeps"),
) -> None:
    """Train runs with many seeds, as independent jobs; a second call does what is left."""
    from labkit.runs.parameters import parse_pairs
    from labkit.sweep.jobs import parse_seeds, sweep_runs, training_jobs

    start = time.perf_counter()
    settings: dict[str, list[Any]] = {}
    for pair in parameter or []:
        for name, value in parse_pairs([split_pair(pair)], {"learning_rate": None, "batch_size": None}).items():
            settings.setdefault(name, []).append(value)
    extent: dict[str, Any] = {"profile": profile, "epochs": epochs, "train_images": train_images}
    jobs = training_jobs(run_ids, parse_seeds(seeds), **extent, settings=settings, threads=threads, replicas=replicas)
    for plan, run in dict.fromkeys((job.plan, job.run) for job in jobs):
        print(f"{run}: {plan}")
    print(f"sweep: {len(jobs)} jobs, into {out}")
    outcome = sweep_runs(jobs, out, scheduler=scheduler, workers=workers)
    for name, problem in outcome.failures.items():
        print(f"failed   {name}  {problem}")
    print(
        f"sweep: {outcome.done} done, {outcome.skipped} done earlier, {len(outcome.failures)} failed, "
        f"{time.perf_counter() - start:.0f} s"
    )
    if outcome.failures:
        sys.exit(1)


@app.command()
def bench(
    networks: Annotated[str, typer.Option(help="Networks and goals, with commas between; all by default.")] = "",
    repeats: Annotated[int, _whole_number("--repeats", "Measurements of each loop.", 1)] = 5,
    batches: Annotated[
        int, _whole_number("--batches", "Batches of 128 images per measurement; 469 are a whole epoch.", 1, 469)
    ] = 60,
    out: Annotated[Path | None, typer.Option(help="Folder for bench.json.")] = None,
    as_json: Json = False,
) -> None:
    """Measure the training loops beside the plain ones: DataLoader, and Keras's own fit."""
    from labkit.base.files import make_folder
    from labkit.bench.compare import bench_table, run_bench, write_bench

    if out is not None:
        make_folder(out)  # to find out before the measurements that it cannot be written
    result = run_bench([name.strip() for name in networks.split(",") if name.strip()], repeats, batches)
    print(json.dumps(result) if as_json else bench_table(result))
    if out is not None:
        write_bench(result, out)


@app.command()
def verify(
    report_dir: Annotated[
        Path, typer.Argument(metavar="REPORT", help="The folder of a report, with its results.json.")
    ],
    time_limit: TimeLimit = CELL_TIME_LIMIT_S,
) -> None:
    """Run a report again at its own parameters and compare it run by run; exit 1 where weights differ."""
    with _report_extra():
        from labkit.report.verify import verify_report

    comparisons = verify_report(report_dir, time_limit)
    for comparison in comparisons:
        print(f"{comparison.run:28} {comparison.finding}")
    same = sum(comparison.same for comparison in comparisons)
    print(f"{same} of {len(comparisons)} runs are bitwise the same")
    if same < len(comparisons):
        sys.exit(1)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a mistake of the user is one line on stderr and exit code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(args=join_pairs(given), standalone_mode=False)
    except LabError as problem:
        _stop(str(problem), 2)
    except OSError as problem:
        if problem.filename is None:
            raise
        _stop(f"{problem.filename}: {problem.strerror}", 2)  # a file or folder of the user's choice
    except (typer.Abort, KeyboardInterrupt):
        _stop("interrupted", 130)
    except Exception as problem:
        # Typer's errors share a base class that lies in another module from release to release
        if not hasattr(problem, "format_message"):
            raise
        if not given:
            print(problem.format_message())  # no command at all: the help text
            sys.exit(2)
        _stop(problem.format_message(), 2)
    if code == 130:
        _stop("interrupted", 130)  # Typer makes an exit code of Ctrl-C
    sys.exit(code if isinstance(code, int) else 0)


def _stop(message: str, code: int) -> NoReturn:
    print("labkit:", *message.split(), file=sys.stderr)  # one line, whatever a path or a value holds
    sys.exit(code)


def join_pairs(arguments: list[str]) -> list[str]:
    """Join `-p NAME VALUE` to `-p NAME=VALUE`: Typer's repeatable options take one value each."""
    joined: list[str] = []
    rest = list(arguments)
    while rest:
        joined.append(rest.pop(0))
        if joined[-1] not in ("-p", "--parameter") or not rest:
            continue
        name = rest.pop(0)
        # an option is no value: `-p seed --profile quick` lacks one
        if "=" not in name and rest and not rest[0].startswith("--"):
            name = f"{name}={rest.pop(0)}"
        joined.append(name)
    return joined


def split_pair(text: str) -> tuple[str, str]:
    """Split `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not equals:
        raise LabError(f"parameter {name!r} has no value: valid is -p NAME VALUE")
    return name, value
