"""Make every notebook open alone, as on Colab and Kaggle: its first code cell gets labkit, links open it there.

For maintainers: `python -m labkit.report.first_cell [ADDRESS]` stores the address in `pyproject.toml`, where one is
given, and writes the cell and the links anew. An empty address takes it out again.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat

from labkit.base.errors import LabError
from labkit.base.files import write_text
from labkit.base.paths import PACKAGE, project_dir

CELL_ID = "labkit-source"
NO_ADDRESS = 'sys.exit("labkit is missing: set LABKIT_SOURCE to git+https://...")'

_VALID = "a git address such as https://HOST/OWNER/REPO, the address of a wheel, or an empty text"
_ADDRESS = re.compile(r"(git\+)?(https|ssh|file)://[\w./:@%+~-]+")
_GITHUB = re.compile(r"(?:git\+)?https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?(?:@[\w./-]+)?")
_SETTING = re.compile(r'(^\[tool\.labkit\]\n(?:#.*\n)*source = )"(.*)"$', re.MULTILINE)
_LINKS = r"\[Open in Colab\]\([^)]*\) · \[Open in Kaggle\]\([^)]*\)"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="labkit.report.first_cell", description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?", help=_VALID)
    address = parser.parse_args(arguments).address
    try:
        changed = write_project(project_dir(), address)
    except (LabError, OSError) as problem:
        print(f"labkit.report.first_cell: {problem}", file=sys.stderr)
        return 2
    print("\n".join(f"written: {path}" for path in changed) or "nothing to change")
    return 0


def write_project(project: Path, address: str | None = None) -> list[Path]:
    """Write the cell and the links into all notebooks and the README of a clone; return the files that changed.

    Parameters
    ----------
    address : str, optional
        Where labkit comes from, stored in `pyproject.toml`; by default what is stored there.
    """
    settings = project / "pyproject.toml"
    old = settings.read_text(encoding="utf-8")
    address = stored_address(old) if address is None else address
    _check(address)
    new = {settings: _SETTING.sub(lambda found: f'{found[1]}"{address}"', old)}
    new |= {path: _with_cell(path, address) for path in notebook_paths(project)}
    readme = project / "README.md"
    new[readme] = _with_readme_links(readme.read_text(encoding="utf-8"), address)
    changed = [path for path, text in new.items() if text != path.read_text(encoding="utf-8")]
    for path in changed:
        write_text(path, new[path])
    return changed


def notebook_paths(project: Path) -> list[Path]:
    """Return all notebooks of a project: the series, its solutions, its drafts."""
    found = (project / "notebooks").rglob("[0-9][0-9]_*.ipynb")
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def stored_address(settings: str) -> str:
    """Return the address that the text of a `pyproject.toml` holds; empty: the series is not published."""
    found = _SETTING.search(settings)
    if found is None:
        raise LabError('pyproject.toml: has no line `source = "..."` under [tool.labkit]')
    return found[2]


def cell_source(address: str) -> str:
    """Return the source of the cell that gets labkit, with an address, as pip takes it, written into it."""
    template = (PACKAGE / "report" / "templates" / "get_labkit.py").read_text(encoding="utf-8").rstrip("\n")
    if not address:
        return template
    git = "" if address.startswith("git+") or ".whl" in address else "git+"
    return template.replace(NO_ADDRESS, f'"{git}{address}"')


def _open_links(address: str, name: str) -> str:
    """Return links that open a notebook of the series on Colab and Kaggle; empty where it is not on GitHub."""
    github = _GITHUB.fullmatch(address)
    if github is None:
        return ""
    place = f"{github[1]}/{github[2]}/blob/main/notebooks/{name}.ipynb"
    colab = f"https://colab.research.google.com/github/{place}"
    kaggle = f"https://kaggle.com/kernels/welcome?src=https://github.com/{place}"
    return f"[Open in Colab]({colab}) · [Open in Kaggle]({kaggle})"


def _with_cell(path: Path, address: str) -> str:
    """Return a notebook, as JSON, with the cell that gets labkit and the links below its title written anew."""
    content = nbformat.read(path, as_version=4)
    title = next(cell for cell in content.cells if cell.cell_type == "markdown")
    title.source = re.sub(rf"\n\n{_LINKS}", "", title.source)
    if path.parent.name == "notebooks" and (links := _open_links(address, path.stem)):
        heading, newline, rest = title.source.partition("\n")
        title.source = f"{heading}\n\n{links}{newline}{rest}"
    cell = next((cell for cell in content.cells if cell.get("id") == CELL_ID), None)
    if cell is None:
        raise LabError(f"{path}: no cell has the id {CELL_ID!r}: copy it from another notebook")
    cell.source = cell_source(address)
    return str(nbformat.writes(content)) + "\n"


def _with_readme_links(readme: str, address: str) -> str:
    """Put the links behind each notebook that the README's table names, or take them away."""

    def links(name: re.Match[str]) -> str:
        found = _open_links(address, name[2])
        return f"{name[1]} · {found}" if found else name[1]

    plain = re.sub(rf" · {_LINKS}", "", readme)
    return re.sub(r"(?<=^\| )(\[[^]]*\]\(notebooks/(\w+)\.ipynb\))", links, plain, flags=re.MULTILINE)


def _check(address: str) -> None:
    # what a browser shows while one looks at a folder or a file on GitHub is no git address
    on_github = address.removeprefix("git+").startswith("https://github.com/") and ".whl" not in address
    if address and not (_GITHUB if on_github else _ADDRESS).fullmatch(address):
        raise LabError(f"address {address!r}: valid is {_VALID}")


if __name__ == "__main__":
    sys.exit(main())
