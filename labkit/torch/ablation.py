"""The networks between lenet-dropout and deep-bn: each of the changes made alone, or undone alone.

Without changes this is lenet-dropout, with all of them deep-bn: a test holds them together.
"""

from collections.abc import Callable, Collection
from functools import partial

from torch import Tensor, nn

from labkit.runs.registry import LEAKY_SLOPE

# The sixth change is the activation, which every network here takes as an argument.
CHANGES = ("channels", "depth", "batch-norm", "wide-layers", "less-dropout")


class AblationNetwork(nn.Module):
    """lenet-dropout with some of the changes that lead to deep-bn, which has all of them and Leaky ReLU.

    Takes normalised images (n, 1, 28, 28), gives log-probabilities (n, 10).
    """

    def __init__(self, changes: Collection[str], activation: str = "relu") -> None:
        super().__init__()
        deep = "depth" in changes
        channels = (32, 64, 128) if "channels" in changes else (10, 20, 40)
        convolution = partial(nn.Conv2d, kernel_size=3, padding=1) if deep else partial(nn.Conv2d, kernel_size=5)
        activate = partial(nn.LeakyReLU, LEAKY_SLOPE) if activation == "leaky_relu" else nn.ReLU

        layers: list[nn.Module] = []
        before = 1
        for after in channels if deep else channels[:2]:
            layers += [convolution(before, after), nn.MaxPool2d(2)]
            if "batch-norm" in changes:
                layers.append(nn.BatchNorm2d(after))
            layers.append(activate())
            before = after
        layers += [nn.Dropout2d(0.25 if "less-dropout" in changes else 0.5), nn.Flatten()]
        before *= 3 * 3 if deep else 4 * 4  # positions of the last feature map
        for after in (256, 128) if "wide-layers" in changes else (50,):
            layers += [nn.Linear(before, after), activate(), nn.Dropout(0.5)]
            before = after
        self.layers = nn.Sequential(*layers, nn.Linear(before, 10), nn.LogSoftmax(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layers(x)
        return outputs


ABLATION_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    **{f"lenet-dropout-with-{change}": partial(AblationNetwork, (change,)) for change in CHANGES},
    **{
        f"deep-bn-without-{change}": partial(AblationNetwork, tuple(other for other in CHANGES if other != change))
        for change in CHANGES
    },
}
