# @title Gets labkit, the helper package of this series, where it is not installed, as on Colab and Kaggle
import os
import subprocess
import sys
from importlib import invalidate_caches, metadata
from pathlib import Path

# Of labkit: a git address, a wheel or a folder; LABKIT_SOURCE in the environment comes before it
address = ""
if not any(metadata.distributions(name="labkit")):

    class NoLabkitError(Exception):
        def _render_traceback_(self) -> list[str]:
            return [str(self)]  # the message, without a stack

    marks = ("labkit/lab.py", "pyproject.toml")
    clones = [f for f in (Path.cwd(), *Path.cwd().parents) if all((f / mark).exists() for mark in marks)]
    source = str(clones[0]) if clones else os.environ.get("LABKIT_SOURCE") or address
    if not source:
        raise NoLabkitError("labkit is not installed: set LABKIT_SOURCE to its git address, to a wheel or to a folder")
    if "://" not in source:
        source = str(Path(source).resolve())  # a whole path, or pip could take it for the name of a package
    elif not source.startswith("git+") and ".whl" not in source:
        source = f"git+{source}"
    folder = [source] if Path(source).is_dir() else []  # is used where it lies: what is changed there counts
    # What Colab or Kaggle ships fits its GPU and runs this notebook: pip adds what is missing and leaves it alone
    shipped = "torch torchvision tensorflow keras numpy ipython ipykernel jupyter-client tornado pyzmq"
    kept = [f"{name}=={metadata.version(name)}" for name in shipped.split() if any(metadata.distributions(name=name))]
    pip = [sys.executable, "-m", "pip", "install", "-q", *kept, *(["-e"] if folder else []), source]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoLabkitError(f"labkit could not be installed from {source}:\n{done.stderr}")
    sys.path += folder
    invalidate_caches()
