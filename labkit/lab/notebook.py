"""What every notebook needs around its lesson: plan, folders, figures, records. The lesson stays in the notebook."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image, display
from matplotlib.figure import Figure

from labkit.base.errors import LabError
from labkit.base.paths import reference_dir
from labkit.base.progress import somebody_watches
from labkit.data.mnist import MNIST, ImageSet, load_idx, load_mnist
from labkit.lab.parameter_cells import parameters_here
from labkit.plots.style import DPI, png
from labkit.runs.computer import device_name
from labkit.runs.history import History
from labkit.runs.parameters import PARAMETERS, check_parameters
from labkit.runs.plans import Plan, has_gpu, make_plan, resolve_profile
from labkit.runs.records import Record, load_records, make_record, reference_times, save_record
from labkit.stats.results_table import format_table, results_table
from labkit.stats.sweeps import SeedResult, read_sweep
from labkit.sweep.jobs import sweep_runs, training_jobs

OUT_VARIABLE = "LABKIT_OUT"


class Lab:
    """The bench of one notebook: knows its parameters, its plan and where its results go.

    Parameters
    ----------
    name : str
        The notebook's file name without its ending: `01_keras_baseline`.
    **parameters
        Outside of a notebook, its parameters by name: `seed=3, profile="quick"`. In a notebook they are those of the
        cells above that hold nothing but parameters.

    Raises
    ------
    LabError
        A parameter has a wrong type or value, or papermill was given one that the notebook does not have.
    """

    def __init__(self, name: str, **parameters: Any) -> None:
        parameters = parameters_here() | parameters
        check_parameters(parameters, PARAMETERS)
        self.name = name
        self.parameters = parameters
        self.out = Path(os.environ.get(OUT_VARIABLE) or parameters.get("out", "lab_output"))
        self.quick_runs = 0.0  # what is planned, counted in runs of the quick profile

    @property
    def dataset(self) -> str:
        """`mnist`, or the folder of another data set."""
        return str(self.parameters.get("dataset", MNIST))

    @property
    def state_dir(self) -> Path:
        """The folder of training states, for `fit(..., state_dir=...)`."""
        return self.out / "states"

    def load_data(self) -> ImageSet:
        """Load the data set that the parameter `dataset` names, MNIST or a folder of IDX files, and print its size."""
        data = self._data
        name = "MNIST" if self.dataset == MNIST else Path(self.dataset).name
        print(f"{name}: {len(data.train_images):,} training and {len(data.test_images):,} test images")
        if self.dataset != MNIST:
            print("published and reference results are those of MNIST: they say nothing about this data set")
        return data

    @cached_property
    def _data(self) -> ImageSet:
        return load_mnist() if self.dataset == MNIST else load_idx(self.dataset)

    def plan(self, epochs: int) -> Plan:
        """Decide what a run of `epochs` epochs will really do in this profile, and print it.

        The parameter `epochs`, where it is not None, overrides the number.
        """
        plan = make_plan(self.parameters.get("profile", "auto"), epochs, self.parameters.get("epochs"))
        if self.dataset != MNIST:
            plan = replace(plan, train_images=min(plan.train_images, len(self._data.train_images)))
        quick = make_plan("quick", epochs)
        work = plan.train_images * plan.epochs / (quick.train_images * quick.epochs)
        self.quick_runs = max(self.quick_runs, work)
        print(f"plan: {plan}")
        return plan

    def say_where(self) -> None:
        """Print what this notebook will compute on, and how long that takes: after the last call of `plan`.

        The time is that of a quick run on the computer of the reference run, times the work that is planned. How long
        a GPU takes is not known.
        """
        print(f"device: {device_name()}")
        measured = reference_times()
        if self.name in measured and not has_gpu():
            minutes = round(measured[self.name] * (self.quick_runs or 1) / 60)
            words = "a minute or less" if minutes <= 1 else f"about {minutes} minutes"
            print(f"time: {words} on 2 CPU cores")

    def model_path(self, file_name: str) -> Path:
        """Return where a model of this run is saved."""
        return self.out / "models" / file_name

    def reference_model(self, file_name: str) -> Path:
        """Return the shipped model of the reference run: trained in full, for those who do not train."""
        return reference_dir() / "models" / file_name

    def record(self, run_id: str, network: Any, history: History) -> Record:
        """Test a trained network and store its run under `out`, for the summary and the report.

        Parameters
        ----------
        run_id : str
            An id of the registry, or a name of its own for an experiment beyond the report.
        network : nn.Module or keras.Model
        history : History
            From `fit`: it knows the settings of the training.
        """
        profile = resolve_profile(self.parameters.get("profile", "auto"))
        about = {"dataset": Path(self.dataset).name, "notebook": self.name}
        record, test = make_record(run_id, network, history, self._data, profile, **about)
        save_record(record, self.out, test.probabilities)
        return record

    def own_record(self, run_id: str, plan: Plan) -> Record | None:
        """Return the record that another notebook or `labkit train` left under `out`, or None where there is none.

        Only one that can be compared: made with the same plan and with this notebook's parameters.
        """
        record = load_records(self.out).get(run_id)
        if record is None or record.plan != plan or record.dataset != Path(self.dataset).name:
            return None
        wanted = {k: v for k, v in self.parameters.items() if k in ("seed", "learning_rate", "batch_size")}
        return record if wanted.items() <= vars(record.recipe).items() else None

    def sweep(self, run_ids: Sequence[str], seeds: int) -> list[SeedResult]:
        """Train runs with the seeds 0 to `seeds` - 1, one after the other, as `labkit sweep` does.

        Jobs that are finished under `out/sweep/` are not trained again. A job that fails is a `LabError`.
        """
        profile, epochs = self.parameters.get("profile", "auto"), self.parameters.get("epochs")
        jobs = training_jobs(run_ids, range(seeds), profile=profile, epochs=epochs)
        outcome = sweep_runs(jobs, self.out / "sweep", workers=0)
        for name, problem in outcome.failures.items():
            raise LabError(f"{name}: {problem}")
        wanted = {(job.run, job.seed, job.plan.epochs, job.plan.train_images) for job in jobs}
        found = read_sweep(self.out / "sweep")
        return [r for r in found if (r.run, r.seed, r.settings["epochs"], r.settings["train_images"]) in wanted]

    def table(self, *run_ids: str) -> pd.DataFrame:
        """Return the comparison "published / reference / this run" for some runs, as texts to show."""
        return format_table(results_table(load_records(self.out), run_ids))

    def draw(self, *models: Any) -> None:
        """Show the widget to draw a digit on, for model files or names with probes, where somebody is there to draw."""
        if somebody_watches():
            from labkit.lab.drawing_widget import draw

            display(draw(*models))
        else:
            print("Open this notebook in JupyterLab, VS Code, Colab or Kaggle to draw; a report has it as draw.html.")

    def show(self, figure: Figure, name: str, alt: str) -> None:
        """Show a figure with its alternative text, and save it under `out/figures/`.

        Parameters
        ----------
        figure : Figure
        name : str
            Says what is shown: the file is `<notebook number>_<name>.png`.
        alt : str
            Says in words what a reader who cannot see the figure should know.
        """
        number = self.name.split("_", 1)[0]
        data = png(figure, self.out / "figures" / f"{number}_{name}.png")
        plt.close(figure)
        width = int.from_bytes(data[16:20], "big")  # of the PNG, in its header
        # not alt=: IPython 7, which Colab ships, does not know it
        display(Image(data=data, width=round(width * 100 / DPI), metadata={"alt": alt}))
