"""nbval's kernels are started again where their first start fails."""

from typing import Any

import kernel_start
import nbval.kernel
import pytest


def test_a_kernel_that_died_at_its_start_is_started_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    starts: list[dict[str, Any]] = []

    def dies_at_first(**options: Any) -> str:
        starts.append(options)
        if len(starts) == 1:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return "manager and client"

    monkeypatch.setattr(kernel_start, "_start_once", dies_at_first)
    assert kernel_start.start_new_kernel(kernel_name="python3") == "manager and client"
    assert starts == [{"kernel_name": "python3"}] * 2
    assert "started again: Kernel died" in capsys.readouterr().out


def test_a_kernel_that_never_starts_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = []

    def dies() -> None:
        starts.append(1)
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(kernel_start, "_start_once", dies)
    with pytest.raises(RuntimeError, match="died"):
        kernel_start.start_new_kernel()
    assert len(starts) == kernel_start.STARTS


def test_nbval_starts_its_kernels_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def ours(**_: Any) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(kernel_start, "_start_once", ours)
    with pytest.raises(ValueError, match="ours"):
        nbval.kernel.RunningKernel("python3")
