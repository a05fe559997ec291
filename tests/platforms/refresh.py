"""Refresh the stored list of what Colab ships: `python tests/platforms/refresh.py FREEZE [DATE]`.

FREEZE is what `pip freeze` prints on Colab, as the public repository googlecolab/backend-info publishes it. A direct
address is replaced by the version that it names; a package whose address names none is left out.
"""

import argparse
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from labkit.base.errors import LabError, one_line
from labkit.base.files import write_text

STORED = Path(__file__).resolve().parent / "colab.txt"
HEADER = """\
# What Colab ships: pip-freeze.txt of the public repository googlecolab/backend-info, GPU runtime, {date}.
# The CPU runtime has the same versions but for dask, and fewer packages.
"""
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_PINNED = re.compile(rf"({_NAME})==([0-9][\w.!+-]*)")
_BARE_OR_ADDRESS = re.compile(rf"({_NAME})(?: @ (\S+))?")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 2, after one line on stderr, for a freeze that is none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("freeze", type=Path, help="the output of `pip freeze` on Colab")
    parser.add_argument("date", nargs="?", default=str(datetime.now(UTC).date()), help="of the freeze; today")
    given = parser.parse_args(arguments)
    try:
        pinned, left_out = read_freeze(given.freeze)
        lines = sorted((f"{name}=={version}" for name, version in pinned.items()), key=str.lower)
        write_text(STORED, HEADER.format(date=given.date) + "\n".join(lines) + "\n")
    except (LabError, OSError, UnicodeDecodeError) as problem:
        print(f"refresh: {problem}", file=sys.stderr)
        return 2
    print(f"{len(pinned)} packages stored" + "".join(f"; {name} left out: no version is named" for name in left_out))
    return 0


def read_freeze(path: Path) -> tuple[dict[str, str], list[str]]:
    """Read the output of `pip freeze`.

    Returns
    -------
    dict of str to str
        The version of each package.
    list of str
        The packages for which no version is named.

    Raises
    ------
    LabError
        A line is neither `name==version` nor `name @ address`, or there is no package at all.
    """
    pinned: dict[str, str] = {}
    left_out = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if found := _PINNED.fullmatch(line.strip()):
            pinned[found[1]] = found[2]
        elif found := _BARE_OR_ADDRESS.fullmatch(line.strip()):
            version = version_in(found[2] or "")
            if version:
                pinned[found[1]] = version
            else:
                left_out.append(found[1])
        else:
            raise LabError(f"{path}: line {number} is {one_line(line)}: valid are name==version and name @ address")
    if not pinned:
        raise LabError(f"{path}: no line is name==version")
    return pinned, left_out


def version_in(address: str) -> str:
    """Return the version in the file name of an address, empty where it ends in no wheel or source archive."""
    name = unquote(address.partition("#")[0].rpartition("/")[2])
    for parse in (parse_wheel_filename, parse_sdist_filename):
        try:
            return str(parse(name)[1])
        except (InvalidWheelFilename, InvalidSdistFilename):
            pass
    return ""


if __name__ == "__main__":
    sys.exit(main())
