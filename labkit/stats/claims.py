"""The four claims of the published report: the pairs of runs they rest on, and what one run of each can show."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """Two runs of the registry: the second is compared with the first."""

    words: str
    first: str
    second: str
    claimed: int  # 1: the report says that the second is better; -1: that it is worse


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
            Comparison("Keras, 20 epochs against 5", "keras-baseline-5", "keras-baseline-20", 1),
            Comparison("PyTorch, 20 epochs against 5", "torch-baseline-5", "torch-baseline-20", 1),
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
            Comparison("Keras, Leaky ReLU against ReLU, 5 epochs", "keras-baseline-5", "keras-leaky-relu-5", 1),
            Comparison("Keras, Leaky ReLU against ReLU, 20 epochs", "keras-baseline-20", "keras-leaky-relu-20", -1),
            Comparison("PyTorch, Leaky ReLU against ReLU, 5 epochs", "torch-baseline-5", "torch-leaky-relu-5", 1),
            Comparison("PyTorch, Leaky ReLU against ReLU, 20 epochs", "torch-baseline-20", "torch-leaky-relu-20", -1),
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
        "Which change earns it: channels, depth, batch normalisation, wider layers and activation changed together. "
        "Notebook 06 takes them apart.",
    ),
)
