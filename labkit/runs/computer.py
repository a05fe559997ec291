"""What a result was computed with: device and versions."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from labkit import __version__
from labkit.runs.plans import cuda_works, has_gpu

PACKAGES = ("torch", "torchvision", "tensorflow", "keras", "numpy", "matplotlib", "papermill")


def environment() -> dict[str, str]:
    """Return the versions that a result depends on: Python, labkit and the frameworks."""
    found = {"python": platform.python_version(), "labkit": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def device_name() -> str:
    """Return the device in words: the GPU, or the processor with the number of cores."""
    if not has_gpu():
        return f"{_processor()}, {os.cpu_count()} cores, no GPU"
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        gpu = tf.config.list_physical_devices("GPU")[0]
        return str(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU"))
    import torch

    return torch.cuda.get_device_name() if cuda_works() else f"Apple GPU ({platform.machine()})"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
