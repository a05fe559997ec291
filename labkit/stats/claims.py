"""The four claims of the published report: the pairs of runs they rest on, and what one run of each can show."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Comparison:
    """Two runs of the report or of the plan of the evidence: the second is compared with the first.

    Attributes
    ----------
    claimed : int
        1: the second is said to have more; -1: to have less.
    paired : bool
        Whether both start from the same weights with the same seed.
    of : {"test", "train", "gap"}
        What is compared: accuracy on the test images, on the training images, or the second less the first.
    """

    words: str
    first: str
    second: str
    claimed: int
    paired: bool = False
    of: Literal["test", "train", "gap"] = "test"


@dataclass(frozen=True)
class Claim:
    """A claim of the report, the comparisons it rests on, and what one run of each can and cannot show about it."""

    text: str
    comparisons: tuple[Comparison, ...]
    can: str
    cannot: str


CLAIMS = (
    Claim(
        "Five epochs are too few: at 20 the test result is better.",
        (
            Comparison("Keras, 20 epochs against 5", "keras-baseline-5", "keras-baseline-20", 1, paired=True),
            Comparison("PyTorch, 20 epochs against 5", "torch-baseline-5", "torch-baseline-20", 1, paired=True),
        ),
        "Whether the network still improved after epoch 5: a gain of many standard errors is no accident.",
        "That 20 epochs are enough, or best: nothing was trained for longer, and no validation set was kept.",
    ),
    Claim(
        "The extra convolution makes the Keras network worse, through overfitting among other causes.",
        (Comparison("extra convolution against baseline, 20 epochs", "keras-baseline-20", "keras-extra-conv-20", -1),),
        "Which of the two trained networks is better, and whether the worse one fits the training images better (as "
        "overfitting would have it) or worse.",
        "The cause. The extra block also shrinks the last feature map to 1x1x64; notebook 03 takes that apart.",
    ),
    Claim(
        "Leaky ReLU is better at 5 epochs and slightly worse at 20, in both frameworks.",
        (
            Comparison(
                "Keras, Leaky ReLU against ReLU, 5 epochs", "keras-baseline-5", "keras-leaky-relu-5", 1, paired=True
            ),
            Comparison(
                "Keras, Leaky ReLU against ReLU, 20 epochs", "keras-baseline-20", "keras-leaky-relu-20", -1, paired=True
            ),
            Comparison(
                "PyTorch, Leaky ReLU against ReLU, 5 epochs", "torch-baseline-5", "torch-leaky-relu-5", 1, paired=True
            ),
            Comparison(
                "PyTorch, Leaky ReLU against ReLU, 20 epochs",
                "torch-baseline-20",
                "torch-leaky-relu-20",
                -1,
                paired=True,
            ),
        ),
        "Whether a difference is larger than the test set's chance. One of a few images is not: it lies within one or "
        "two standard errors, and says little either way.",
        "Which activation is better: the sign of so small a difference can change with the seed. Notebook 09 has many "
        "seeds.",
    ),
    Claim(
        "The deep network with batch normalisation is the best of all.",
        (
            Comparison("deep network against PyTorch baseline, 20 epochs", "torch-baseline-20", "torch-deep-bn-20", 1),
            Comparison("deep network against PyTorch Leaky ReLU", "torch-leaky-relu-20", "torch-deep-bn-20", 1),
            Comparison("deep network against Keras baseline, 20 epochs", "keras-baseline-20", "torch-deep-bn-20", 1),
        ),
        "Whether this network as a whole beats the others by more than the test set's chance explains.",
        "Which change earns it: channels, depth, batch normalisation, wider layers, dropout and activation changed "
        "together. Notebook 06 changes one at a time.",
    ),
)

_CHANGES = ("channels", "depth", "batch-norm", "wide-layers", "less-dropout")
_SAME_START = ("less-dropout", "leaky-relu")  # neither has weights: the networks start from the same ones

# The families of the plan: within each of them p-values are adjusted together.
FAMILIES: dict[str, tuple[Comparison, ...]] = {
    "the four claims": tuple(comparison for claim in CLAIMS for comparison in claim.comparisons),
    "the cause of claim 2": (
        Comparison("under-fitting: training accuracy", "keras-baseline-20", "keras-extra-conv-20", -1, of="train"),
        Comparison("overfitting: gap, training less test", "keras-baseline-20", "keras-extra-conv-20", 1, of="gap"),
        Comparison("no bottleneck, padding same", "keras-extra-conv-20", "keras-extra-conv-same-20", 1),
        Comparison("no bottleneck, two poolings", "keras-extra-conv-20", "keras-extra-conv-two-pools-20", 1),
        Comparison("bottleneck, but no cut edge", "keras-extra-conv-20", "keras-extra-conv-wide-pool-20", 1),
        Comparison("baseline with the edge cut to 22x22", "keras-baseline-20", "keras-baseline-22x22-20", -1),
    ),
    "ablation": (
        *(
            Comparison(f"+ {c}", "torch-baseline-20", f"torch-lenet-dropout-with-{c}-20", 1, c in _SAME_START)
            for c in _CHANGES
        ),
        Comparison("+ leaky-relu", "torch-baseline-20", "torch-leaky-relu-20", 1, paired=True),
        *(
            Comparison(f"- {c}", "torch-deep-bn-20", f"torch-deep-bn-without-{c}-20", -1, c in _SAME_START)
            for c in (*_CHANGES, "leaky-relu")
        ),
    ),
    "loop equivalence": (
        Comparison(
            "Keras's own batch norm against labkit's", "keras-baseline-5", "keras-baseline-plain-bn-5", -1, paired=True
        ),
    ),
}
