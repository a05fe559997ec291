"""Typical wrong answers to the exercises of notebook 03."""

from collections.abc import Sequence
from math import ceil
from typing import Any


def forgets_the_kernel(width: int, blocks: int, padding: str) -> int:
    """Let only the pooling shrink the map."""
    for _ in range(blocks):
        width //= 2
    return width


def pools_first(width: int, blocks: int, padding: str) -> int:
    """Take the pooling before the convolution."""
    for _ in range(blocks):
        width //= 2
        width -= 2 if padding == "valid" else 0
    return width


def keeps_what_is_left_over(width: int, blocks: int, padding: str) -> int:
    """Round up where a window is not full."""
    for _ in range(blocks):
        width -= 2 if padding == "valid" else 0
        width = ceil(width / 2)
    return width


def always_valid(width: int, blocks: int, padding: str) -> int:
    """Ignore the padding."""
    for _ in range(blocks):
        width = (width - 2) // 2
    return width


def sees_all(pools: Sequence[int]) -> int:
    """Forget that the pooling drops rows."""
    return 28


def only_the_baseline(pools: Sequence[int]) -> int:
    """Give one number for all networks."""
    return 26


def receptive_field(pools: Sequence[int]) -> int:
    """Give the rows that one unit sees, as if the last map always had one row."""
    rows = 1
    for window in reversed(pools):
        rows = rows * window + 2
    return rows


def without_kernels(pools: Sequence[int]) -> int:
    """Go back through the pooling only."""
    rows = 28
    for window in pools:
        rows = (rows - 2) // window
    for window in reversed(pools):
        rows *= window
    return rows


def size_of_the_last_map(pools: Sequence[int]) -> int:
    """Go forwards, and not back."""
    rows = 28
    for window in pools:
        rows = (rows - 2) // window
    return rows


MUTANTS: dict[str, list[Any]] = {
    "03-1": [36_928, 196_736, 1_536, -196_608, 159_424, 204_928],
    "03-2": [forgets_the_kernel, pools_first, keeps_what_is_left_over, always_valid, 1],
    "03-3": [sees_all, only_the_baseline, receptive_field, without_kernels, size_of_the_last_map, 26],
}
