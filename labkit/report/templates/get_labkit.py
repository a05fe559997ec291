# @title Installs labkit, the helper package of this series, where it is missing, as on Colab and Kaggle
import os
import subprocess
import sys
from importlib.util import find_spec

if not find_spec("labkit"):
    source = os.environ.get("LABKIT_SOURCE") or sys.exit("labkit is missing: set LABKIT_SOURCE to git+https://...")
    print("installing labkit from", source)
    if subprocess.call([sys.executable, "-m", "pip", "install", "-qqq", f"labkit @ {source}"]):
        sys.exit(f"labkit could not be installed from {source}: valid is git+https://..., with the internet on")
