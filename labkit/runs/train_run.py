"""Train one run of the registry outside a notebook: what `labkit train` does."""

from pathlib import Path

from labkit.base.errors import LabError
from labkit.data.mnist import load_mnist
from labkit.runs.frameworks import framework
from labkit.runs.plans import make_plan
from labkit.runs.records import Record, make_record, save_record
from labkit.runs.registry import Run


def train_run(
    run: Run,
    *,
    profile: str = "auto",
    epochs: int | None = None,
    seed: int | None = None,
    out: Path = Path(),
    resume: bool = False,
) -> Record:
    """Train a run, save `out/models/<model file>` and `out/results/<run>.json`, print the test result.

    Parameters
    ----------
    run : Run
    profile : {"auto", "quick", "full"}
    epochs, seed : int, optional
        Instead of the profile's epochs and the run's seed.
    out : Path
    resume : bool
        Go on from the last finished epoch of a run that was cut off.

    Returns
    -------
    Record
        As stored, with the history; after Ctrl-C, that of the epochs that were finished.

    Raises
    ------
    LabError
        A setting is not valid, `out` cannot be written; see `fit` for the rest.
    """
    used_seed = run.seed if seed is None else seed
    # before the plan: the profile `auto` asks the framework that has been imported for a GPU
    used = framework(run.framework)
    plan = make_plan(profile, run.epochs, epochs)
    try:
        (out / "models").mkdir(parents=True, exist_ok=True)  # told now, not after an hour of training
    except OSError as problem:
        raise LabError(f"{out}: the folder cannot be written: {problem.strerror or problem}") from None
    data = plan.images(load_mnist())
    print(f"{run.id}: {plan}, seed {used_seed}")
    network = used.build(run.network, run.activation, used_seed)
    history = used.fit(
        network,
        data,
        epochs=plan.epochs,
        learning_rate=run.optimizer.learning_rate,
        momentum=run.optimizer.momentum,
        batch_size=run.batch_size,
        seed=used_seed,
        state_dir=out / "states",
        resume=resume,
    )
    path = out / "models" / run.model_file
    used.save_model(network, path)
    record, test = make_record(run.id, network, history, data, plan.profile)
    save_record(record, out, test.probabilities)
    print(test)
    print(f"saved {path}")
    if record.interrupted:
        print(f"{len(history)} of {plan.epochs} epochs are in it: `labkit train {run.id} --resume` goes on")
    return record
