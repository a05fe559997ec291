"""Run the series on the platforms of its users: what `make test-platforms` calls.

colab   the versions that Colab ships, as stored in colab.txt, on the Python that Colab has
lowest  the lowest versions that pyproject.toml allows, on the lowest Python
newest  the newest versions that resolve, on the newest Python at hand for which they have wheels

Each is an environment of its own, built with uv. labkit comes into it as a student gets it, as a wheel that pip
installs, and must not change the version of anything that was there. Then the notebooks run in the quick profile, each
alone in an empty folder, and after them, with all extras installed, the unit tests.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import nbformat
from packaging.utils import canonicalize_name
from packaging.version import Version

from labkit.base.errors import LabError, one_line, unknown

ROOT = Path(__file__).resolve().parents[2]
COLAB = ROOT / "tests" / "platforms" / "colab.txt"
ENVIRONMENTS = ROOT / ".platforms"

PLATFORMS = ("colab", "lowest", "newest")
COLAB_PYTHON = (3, 13)
LOWEST_PYTHON = (3, 11)

# Both frameworks, the summary, a sweep: they reach every module of labkit that any notebook reaches, as a test holds.
FEW = (
    "01_keras_baseline",
    "05_pytorch_equivalents",
    "07_summary",
    "09_are_the_differences_real",
)

# PyPI's PyTorch is built for another CUDA than Colab's, and brings other libraries under these names.
CUDA_BUILD = ("nvidia-", "cuda-")

# What a student's Jupyter or Colab runs notebooks with: labkit itself does not ask for it.
KERNEL = ["ipykernel>=6.17"]

TOLD = ("torch", "torchvision", "tensorflow", "keras", "numpy", "pandas", "scipy", "matplotlib", "ipython", "traitlets")
CELL_TIMEOUT_S = 900
AT_ONCE = 2  # notebooks, or processes of the unit tests, with one thread each


Versions = dict[str, str]  # of packages, by their normalised names


class Python(NamedTuple):
    """A Python of this machine."""

    version: tuple[int, ...]
    path: Path

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


class StepError(Exception):
    """A command failed; the message is what it printed."""


@dataclass
class Result:
    """What became of a platform: lines for the summary, and titles of what failed."""

    platform: str
    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Print a line, now and in the summary."""
        print(f"{self.platform}: {line}", flush=True)
        self.lines.append(line)

    def fail(self, title: str, log: str = "") -> None:
        """Print a failure with its log; the summary names it."""
        print(f"{self.platform}: FAILED: {title}\n{log}".rstrip(), flush=True)
        self.failures.append(title)

    def summary(self) -> str:
        """Return the lines and the failures, indented under the name of the platform."""
        return "\n  ".join([self.platform, *self.lines, *(f"FAILED: {title}" for title in self.failures)])


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when all went well, 1 when a platform failed, 2 for a mistake on the command line or in the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("platforms", nargs="*", metavar="PLATFORM", help=f"{', '.join(PLATFORMS)}; by default all")
    parser.add_argument(
        "--notebooks", nargs="+", default=["all"], help="all (default), few (enough to reach every module), or names"
    )
    parser.add_argument("--no-unit-tests", action="store_true", help="run the notebooks only")
    parser.add_argument("--keep", action="store_true", help=f"leave the environments in {ENVIRONMENTS.name}/")
    given = parser.parse_args(arguments)
    try:
        for name in given.platforms:
            if name not in PLATFORMS:
                raise unknown("platform", name, PLATFORMS)
        notebooks = choose_notebooks(given.notebooks)
        results = [Result(name) for name in given.platforms or PLATFORMS]
        run(results, notebooks, unit_tests=not given.no_unit_tests, keep=given.keep)
    except LabError as problem:
        print(f"test-platforms: {problem}", file=sys.stderr)
        return 2
    print("\n" + "\n".join(result.summary() for result in results))
    return int(any(result.failures for result in results))


def choose_notebooks(asked: Sequence[str]) -> list[Path]:
    """Return notebooks of the series by name, where `all` and `few` stand for several.

    Raises
    ------
    LabError
        There is no notebook of that name.
    """
    series = {path.stem: path for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}
    several = {"all": list(series), "few": list(FEW)}
    for name in asked:
        if name not in several and name not in series:
            raise unknown("notebook", name, [*several, *series])
    return [series[name] for given in asked for name in several.get(given, [given])]


def run(results: Sequence[Result], notebooks: Sequence[Path], *, unit_tests: bool, keep: bool) -> None:
    """Build the platforms and test them one after the other; what comes out goes into the results.

    Raises
    ------
    LabError
        uv is missing, or the stored list is damaged or names a release that does not exist.
    """
    uv = find_uv()
    pythons = find_pythons(uv)
    colab = read_list(COLAB)
    shutil.rmtree(ENVIRONMENTS, ignore_errors=True)
    try:
        call(uv, "build", "--quiet", "--wheel", "--out-dir", ENVIRONMENTS, ROOT)
        for result in results:
            listed = colab if result.platform == "colab" else {}
            builder = Builder(uv, result.platform, listed)
            try:
                test_platform(builder, pythons, result, notebooks, unit_tests=unit_tests)
            except StepError as problem:
                result.fail("a command failed", str(problem))
            if not keep:
                shutil.rmtree(builder.folder, ignore_errors=True)
    finally:
        if not keep:
            shutil.rmtree(ENVIRONMENTS, ignore_errors=True)


def test_platform(
    builder: "Builder", pythons: Sequence[Python], result: Result, notebooks: Sequence[Path], *, unit_tests: bool
) -> None:
    """Build one platform and test it."""
    found = choose_python(builder, pythons, result)
    if found is None:
        return
    python, pins = found
    known = install_labkit(builder, python, pins, result)
    with tempfile.TemporaryDirectory() as outside:
        run_notebooks(builder, notebooks, Path(outside), result)
        if unit_tests:
            run_unit_tests(builder, known, Path(outside), result)


# What is on the machine


def find_uv() -> str:
    """Return the path of uv: the one beside this Python, else the one on the path."""
    uv = shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv")
    if uv is None:
        raise LabError("uv is not installed; `pip install uv` gets it")
    return uv


def find_pythons(uv: str) -> list[Python]:
    """Return the Pythons that uv finds and those of pyenv, which are on the path only where pyenv switched them on."""
    told = json.loads(call(uv, "python", "list", "--only-installed", "--output-format", "json"))
    paths = {
        item["version"]: Path(item["path"])
        for item in told
        if item["implementation"] == "cpython" and item["variant"] == "default"
    }
    for path in Path.home().glob(".pyenv/versions/*/bin/python"):
        paths.setdefault(path.parts[-3], path)
    return newest_of_each(paths)


def newest_of_each(paths: Mapping[str, Path]) -> list[Python]:
    """Return the newest release of each minor version, newest first; no previews, nothing that has no plain version."""
    plain = [Python(tuple(map(int, v.split("."))), p) for v, p in paths.items() if re.fullmatch(r"\d+\.\d+\.\d+", v)]
    by_minor = {python.version[:2]: python for python in sorted(plain)}
    return sorted(by_minor.values(), reverse=True)


def candidates(platform: str, pythons: Sequence[Python]) -> list[Python]:
    """Return the Pythons that a platform may have, the best first."""
    if platform == "newest":
        return [python for python in pythons if python.version[:2] >= LOWEST_PYTHON]
    wanted = COLAB_PYTHON if platform == "colab" else LOWEST_PYTHON
    return [python for python in pythons if python.version[:2] == wanted]


# Versions


def read_list(path: Path) -> Versions:
    """Return the versions of the stored list, without local parts such as +cu128.

    Raises
    ------
    LabError
        A line is not `name==version`.
    """
    listed = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            continue
        found = re.fullmatch(r"([\w.-]+)==([\w.!+-]+)", line)
        if found is None:
            raise LabError(f"{path.name}: line {number} is {one_line(line)}: valid is name==version")
        listed[canonicalize_name(found[1])] = found[2].partition("+")[0]
    return {name: version for name, version in listed.items() if not name.startswith(CUDA_BUILD)}


def exactly(versions: Mapping[str, str]) -> list[str]:
    """Return versions as requirements."""
    return [f"{name}=={version}" for name, version in versions.items()]


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return what has another version than before, one line each; local parts of versions do not count."""
    return [
        f"{name} {version} -> {after[name]}"
        for name, version in before.items()
        if name in after and Version(after[name]).public != Version(version).public
    ]


def missing_release(said: str, listed: Mapping[str, str]) -> str | None:
    """Return the entry of the list that does not exist, as uv says it: `there is no version of NAME==VERSION`."""
    for name, version in re.findall(r"no version of ([\w.-]+)==([\w.!-]+)", said):
        if listed.get(name) == version:
            return f"{name}=={version}"
    for name in re.findall(r"([\w.-]+) was not found in the package registry", said):
        if name in listed:
            return f"{name}=={listed[name]}"
    return None


# An environment


@dataclass(frozen=True)
class Builder:
    """Makes one platform's environment with uv."""

    uv: str
    platform: str
    listed: Versions

    @property
    def folder(self) -> Path:
        """Of the environment and of the lists that it is made from."""
        return ENVIRONMENTS / self.platform

    @property
    def python(self) -> Path:
        """The environment's own Python."""
        return self.folder / "venv" / "bin" / "python"

    def write(self, name: str, requirements: Iterable[str]) -> Path:
        """Write a requirements file into the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_text("\n".join(requirements), encoding="utf-8")
        return path

    def resolve(self, python: Path, *options: str | Path) -> Versions:
        """Return the versions of labkit's dependencies that uv finds; raise StepError where there are none."""
        kind = {"lowest": ["--resolution", "lowest-direct"], "newest": ["--no-build"]}.get(self.platform, [])
        plain: list[str | Path] = [
            "--quiet",
            "--no-header",
            "--no-annotate",
            "--no-python-downloads",
            "--python",
            python,
        ]
        said = call(self.uv, "pip", "compile", *plain, *kind, *options, ROOT / "pyproject.toml")
        return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", said, re.M)}

    def install(self, versions: Path) -> None:
        """Install exactly what a requirements file holds."""
        call(self.uv, "pip", "install", "--quiet", "--no-deps", "--python", self.python, "-r", versions)

    def installed(self) -> Versions:
        """Return the versions of everything in the environment."""
        told = json.loads(call(self.uv, "pip", "list", "--format", "json", "--python", self.python))
        return {canonicalize_name(item["name"]): item["version"] for item in told}


def choose_python(builder: Builder, pythons: Sequence[Python], result: Result) -> tuple[Python, Versions] | None:
    """Return the Python for a platform and the versions that it gets.

    None, after a line, where the machine has no such Python, or where no versions fit: on Colab, labkit's own lower
    bounds could ask for more than Colab has.
    """
    fitting = candidates(builder.platform, pythons)
    constraints = builder.write("listed.txt", exactly(builder.listed))
    for python in fitting:
        try:
            return python, builder.resolve(
                python.path, "--constraint", constraints, builder.write("kernel.txt", KERNEL)
            )
        except StepError as problem:
            if missing := missing_release(str(problem), builder.listed):
                raise LabError(f"{COLAB.name}: {missing} does not exist: store the list anew with refresh.py") from None
            if python is fitting[-1]:
                result.fail(f"no versions fit on Python {python}", str(problem))
                return None
            result.say(f"not on Python {python}: {str(problem).partition('cause: ')[2].partition(',')[0]}")
    wanted = COLAB_PYTHON if builder.platform == "colab" else LOWEST_PYTHON
    result.say(f"skipped: this machine has no Python {'.'.join(map(str, wanted))}")
    return None


def install_labkit(builder: Builder, python: Python, pins: Versions, result: Result) -> Versions:
    """Build the environment without labkit, install labkit with pip, check that no version changed.

    Returns
    -------
    dict of str to str
        The versions that further packages must keep to.
    """
    # what Colab does not have, pip gets there together with labkit
    pins = {n: v for n, v in pins.items() if not builder.listed or n in builder.listed or n.startswith(CUDA_BUILD)}
    started = time.monotonic()
    call(builder.uv, "venv", "--quiet", "--python", python.path, builder.python.parents[1])
    builder.install(builder.write("pins.txt", exactly(pins)))
    pip = f"pip=={builder.listed['pip']}" if "pip" in builder.listed else "pip"
    call(builder.uv, "pip", "install", "--quiet", "--python", builder.python, pip)
    before = builder.installed()
    (wheel,) = ENVIRONMENTS.glob("labkit-*.whl")
    # without the machine's own configuration of pip, which may hold versions back
    plain = os.environ | {"PIP_CONFIG_FILE": os.devnull}
    call(builder.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, env=plain)
    seconds = time.monotonic() - started

    after = builder.installed()
    told = ", ".join(f"{name} {after[name]}" for name in TOLD)
    result.say(f"Python {python}, {told}; installed in {seconds:.0f} s")
    if new := sorted(after.keys() - before.keys() - {"labkit"}):
        result.say("new with labkit: " + ", ".join(f"{name} {after[name]}" for name in new))
    if changed := changes(before | builder.listed, after):
        result.fail("labkit changed versions: " + ", ".join(changed))
    return builder.listed | after


# The tests


def run_notebooks(builder: Builder, notebooks: Sequence[Path], outside: Path, result: Result) -> None:
    """Run notebooks with the environment's Python, each alone in an empty folder outside the clone."""
    settings = write_kernel(builder.python, outside)
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        problems = list(pool.map(lambda path: run_notebook(path, outside, settings), notebooks))
    result.say(
        f"{problems.count('')} of {len(notebooks)} notebooks ran to their end in {time.monotonic() - started:.0f} s"
    )
    for path, problem in zip(notebooks, problems, strict=True):
        if problem:
            result.fail(path.stem, problem)


def write_kernel(python: Path, outside: Path) -> dict[str, str]:
    """Write the specification of a kernel `platform` that is this Python, and return the variables that find it."""
    kernel = outside / "jupyter" / "kernels" / "platform" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "platform", "language": "python"}), encoding="utf-8")
    return environment(python) | {"LABKIT_QUIET": "1", "JUPYTER_PATH": str(outside / "jupyter")}


def run_notebook(notebook: Path, outside: Path, settings: Mapping[str, str]) -> str:
    """Run one notebook from a copy; return what went wrong, or what it wrote to stderr, and nothing otherwise."""
    alone = outside / notebook.stem
    alone.mkdir()
    copy = shutil.copy(notebook, alone)
    executed = outside / f"{notebook.stem}.executed.ipynb"
    papermill = [sys.executable, "-m", "papermill", "--no-progress-bar", "--kernel", "platform"]
    papermill += ["--cwd", str(alone), "--execution-timeout", str(CELL_TIMEOUT_S), str(copy), str(executed)]
    try:
        call(*papermill, cwd=alone, env=settings)
    except StepError as problem:
        return str(problem)
    outputs = [output for cell in nbformat.read(executed, as_version=4).cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.get("name") == "stderr")


def run_unit_tests(builder: Builder, known: Versions, outside: Path, result: Result) -> None:
    """Install labkit's extras over it and run the unit tests, from a folder where only the installed labkit is found.

    The browser tests are left out: what they test is the pages, and the browser is the machine's.
    """
    constraints = builder.write("known.txt", exactly(known))
    extras = builder.resolve(builder.python, "--all-extras", "--constraint", constraints)
    builder.install(builder.write("extras.txt", exactly(extras)))
    folder = outside / "unit-tests"
    folder.mkdir()
    pytest: list[str | Path] = [
        builder.python,
        "-P",
        "-m",
        "pytest",
        "-q",
        "--disable-warnings",
        "-p",
        "no:cacheprovider",
        "-m",
        "not slow",
    ]
    workers = ["-n", str(AT_ONCE), "--dist", "loadfile"]
    tests = ROOT / "tests"
    try:
        said = call(
            *pytest, *workers, "--ignore", tests / "browser", tests, cwd=folder, env=environment(builder.python)
        )
    except StepError as problem:
        said = str(problem)
        result.fail("unit tests", said)
    summary = re.findall(r"^=* ?(\d+ (?:passed|failed).*?) ?=*$", said, re.M)
    result.say(f"unit tests: {summary[-1] if summary else 'no summary'}")


def environment(python: Path) -> dict[str, str]:
    """Return the variables that a student's process has, with one thread and the quick profile."""
    own = ("LABKIT_", "PYTHON", "VIRTUAL_ENV", "CONDA")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return kept | {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "LABKIT_PROFILE": "quick",
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
    }


def call(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it printed.

    Raises
    ------
    StepError
        It failed; the message is what it printed, errors last, without colours.
    """
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr).strip()
        raise StepError(said or f"{command[0]} ended with exit code {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
