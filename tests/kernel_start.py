"""A pytest plugin: start a notebook's kernel again where its first start fails.

Kernels that start at the same moment may choose the same port, and one of them dies of it: nbval then fails every cell
of its notebook. `-p tests.kernel_start` loads this; nbval has no option for it.
"""

from typing import Any

import nbval.kernel

STARTS = 3

_start_once = nbval.kernel.start_new_kernel


def start_new_kernel(*arguments: Any, **options: Any) -> Any:
    """Return the manager and the client of a new kernel, as nbval's own function does."""
    for _ in range(STARTS - 1):
        try:
            return _start_once(*arguments, **options)
        except RuntimeError as problem:
            print(f"a kernel is started again: {problem}")
    return _start_once(*arguments, **options)


nbval.kernel.start_new_kernel = start_new_kernel
