"""Train one run of the registry outside a notebook: what `labkit train` does."""

from pathlib import Path

from labkit.base.files import make_folder
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

    `epochs` and `seed` replace the profile's epochs and the run's seed. After Ctrl-C, the record is that of the
    epochs that were finished; with `resume`, training goes on after them.

    Raises
    ------
    LabError
        A setting is not valid, `out` cannot be written; see `fit` for the rest.
    """
    used_seed = run.seed if seed is None else seed
    # before the plan: the profile `auto` asks the framework that has been imported for a GPU
    used = framework(run.framework)
    plan = make_plan(profile, run.epochs, epochs)
    make_folder(out / "models")  # fails here rather than after an hour of training
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
        print(f"{len(history)} of {plan.epochs} epochs are in it: the same command with --resume goes on")
    return record
