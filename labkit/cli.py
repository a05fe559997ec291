"""The command line: list, train, test, report."""

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from labkit.errors import LabError

app = typer.Typer(
    name="labkit",
    help="Train, test and report the networks of the lab series on handwritten digits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Profile = Annotated[str, typer.Option(help="How much is run: quick, full, or auto (full on a GPU, quick without).")]


@app.command("list")
def list_runs() -> None:
    """List the ten runs of the published report."""
    from labkit.runs import runs

    print(f"{'run':22} {'framework':9} {'network':14} {'activation':10} {'epochs':>6} {'params':>8} {'published':>9}")
    for run in runs().values():
        print(
            f"{run.id:22} {run.framework:9} {run.network:14} {run.activation:10} {run.epochs:6} {run.params:8,} "
            f"{100 * run.published.accuracy:8.2f}%"
        )


@app.command()
def train(
    run_id: Annotated[str, typer.Argument(help="A run of `labkit list`.")],
    epochs: Annotated[int | None, typer.Option(help="Epochs, instead of those of the profile.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the run's own.")] = None,
    profile: Profile = "auto",
    out: Annotated[Path, typer.Option(help="Folder for models/, results/ and training states.")] = Path(),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last finished epoch of a cut-off run.")
    ] = False,
) -> None:
    """Train one run of the report; save its model and its history."""
    from labkit.runs import find_run

    run = find_run(run_id)
    from labkit.single_run import train_run

    record = train_run(run, profile=profile, epochs=epochs, seed=seed, out=out, resume=resume)
    if "planned_epochs" in record:
        sys.exit(130)  # stopped with Ctrl-C; what was finished is saved


@app.command()
def test(
    model_path: Annotated[Path, typer.Argument(help="A .keras or .pth file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")] = False,
) -> None:
    """Test a saved model on the 10,000 test images."""
    from labkit.archives import model_kind

    model_kind(model_path)  # a wrong path is told before a framework is imported
    from labkit.data import load_mnist
    from labkit.models import test_model

    result = test_model(model_path, load_mnist())
    if as_json:
        print(json.dumps({"loss": result.loss, "correct": result.correct, "total": result.total}))
    else:
        print(result)


@app.command()
def report(
    notebooks: Annotated[list[str] | None, typer.Argument(help="Notebooks to run; all of them by default.")] = None,
    profile: Profile = "auto",
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("reports"),
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME VALUE", help="A parameter of the notebooks; may be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Skip the notebooks that are already done.")] = False,
    time_limit: Annotated[int, typer.Option(min=1, help="Seconds that one cell may take.")] = 4 * 3600,
) -> None:
    """Run the notebooks and write the report: pages, figures, index.html and results.json."""
    from labkit.profiles import resolve_profile
    from labkit.report import choose_notebooks, parse_parameters, run_report

    chosen = choose_notebooks(notebooks or [])
    given = parse_parameters([split_pair(pair) for pair in parameter or []], chosen)
    print(f"report: {len(chosen)} notebooks, profile {resolve_profile(str(given.get('profile', profile)))}, into {out}")
    outcomes = run_report(chosen, out, profile, given, resume, time_limit)
    for outcome in outcomes:
        print(f"{outcome.status:8} {outcome.notebook:28} {outcome.seconds:7.1f} s  {outcome.problem}".rstrip())
    print(f"report: {out / 'index.html'}")
    if any(outcome.status == "failed" for outcome in outcomes):
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
    """Split `NAME=VALUE`.

    Raises
    ------
    LabError
        There is no value.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise LabError(f"parameter {name!r} has no value: valid is -p NAME VALUE")
    return name, value
