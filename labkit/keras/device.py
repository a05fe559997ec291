"""What a network is trained on: its threads, its memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from labkit.keras.quiet_tensorflow import tf
from labkit.runs.training import out_of_memory


def threads() -> int:
    """Return the number of threads that an operation may use on the CPU: another number gives other last bits."""
    configured = int(tf.config.threading.get_intra_op_parallelism_threads())
    from_environment = os.environ.get("TF_NUM_INTRAOP_THREADS", "0")
    asked = configured or (int(from_environment) if from_environment.isdecimal() else 0)
    # TensorFlow's own rule where nobody asked: as many as the process may use cores
    return asked or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@contextmanager
def memory_errors(batch_size: int) -> Iterator[None]:
    """Turn TensorFlow's error for a full memory into one line that names the setting to lower."""
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        raise out_of_memory(batch_size) from None
