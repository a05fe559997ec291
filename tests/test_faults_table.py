"""The table of faults names only tests that there are."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent


def test_every_test_in_the_table_exists() -> None:
    named = re.findall(r"`([\w/]*test_\w+\.py)::(test_\w+)`", (TESTS / "README.md").read_text(encoding="utf-8"))
    assert len(named) > 50
    for file, test in named:
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{test}"
