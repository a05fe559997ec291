"""One loop of `labkit bench` in a process of its own, which measures when the parent asks it to.

python -m labkit.bench_worker FRAMEWORK LOOP NETWORK BATCHES: says what it is on a line of JSON, then answers each line
on its standard input with a line of JSON, until there are no more.
"""

import json
import sys
from importlib import import_module

from labkit.data import load_mnist


def peak_memory() -> float:
    """Return the largest memory that this process has had so far, in MiB; 0 where that is not told (Windows)."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main(framework: str, loop: str, network: str, batches: int) -> None:
    """Prepare a loop, run it once to warm up, and measure on request."""
    bench = import_module(f"labkit.{framework}_bench")
    from labkit.results import device_name

    measure = bench.timer(loop, network, load_mnist(), batches)
    measure()
    print(json.dumps({"device": device_name(), "flops": bench.flops_of_batch(network)}), flush=True)
    for _ in sys.stdin:
        seconds = measure()
        memory = bench.gpu_memory() or peak_memory()
        print(json.dumps({"seconds": seconds, "memory": memory, "matmul": bench.matmul_rate()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
