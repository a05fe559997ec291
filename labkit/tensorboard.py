"""Write a finished history as a TensorBoard event file."""

import time
from importlib.util import find_spec
from pathlib import Path

from labkit.errors import LabError
from labkit.history import History


def require_tensorboard() -> None:
    """Refuse to go on without TensorBoard, which labkit does not install.

    Raises
    ------
    LabError
        The package is missing.
    """
    if find_spec("tensorboard") is None:
        raise LabError("TensorBoard is not installed; `pip install tensorboard` gets it")


def write_events(history: History, folder: str | Path) -> None:
    """Write a history for `tensorboard --logdir`.

    Parameters
    ----------
    history : History
    folder : str or Path
        Of this run; a run of the same name there stays, with its own file.

    Raises
    ------
    LabError
        TensorBoard is missing, or the folder cannot be written.
    """
    require_tensorboard()
    # TensorBoard's own EventFileWriter would import TensorFlow, noisily, for nothing but its file functions
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    now = time.time()
    # as if the run had just ended: TensorBoard's "relative" axis then shows seconds of training
    clock = now - sum(epoch.seconds for epoch in history.epochs)
    events = [Event(wall_time=clock, file_version="brain.Event:2")]
    for epoch in history.epochs:
        clock += epoch.seconds
        values = {
            "loss/training": epoch.train_loss,
            "loss/test": epoch.test_loss,
            "accuracy/training": epoch.train_accuracy,
            "accuracy/test": epoch.test_accuracy,
        }
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        events.append(Event(wall_time=clock, step=epoch.epoch, summary=summary))
    path = Path(folder) / f"events.out.tfevents.{int(now)}.labkit"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as stream:
            writer = RecordWriter(stream)
            for event in events:
                writer.write(event.SerializeToString())
    except OSError as problem:
        raise LabError(f"{path}: cannot be written: {problem.strerror or problem}") from None
