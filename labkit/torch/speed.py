"""What a speed is measured against: the usual way to feed images, the work of a batch, the rate of the device."""

import time

import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import Dataset
from torch.utils.flop_counter import FlopCounterMode

from labkit.data.mnist import PIXEL_MEAN, PIXEL_STD, ImageSet
from labkit.runs.registry import BATCH_SIZE
from labkit.torch.device import pick_device
from labkit.torch.networks import NETWORKS

MATRIX = 2048


class LikeTorchvision(Dataset[tuple[torch.Tensor, int]]):
    """`torchvision.datasets.MNIST` over images that are in memory already: a PIL image and its transforms, one by one.

    Parameters
    ----------
    data : ImageSet
        Its training images are used.
    """

    def __init__(self, data: ImageSet) -> None:
        from torchvision import transforms

        self.images = torch.as_tensor(data.train_images)
        self.labels = torch.as_tensor(data.train_labels).long()
        normalize = transforms.Normalize((PIXEL_MEAN,), (PIXEL_STD,))
        self.transform = transforms.Compose([transforms.ToTensor(), normalize])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index].numpy())), int(self.labels[index])


def flops_of_batch(name: str) -> int:
    """Return the floating-point operations of one training step with a full batch: convolutions and matrix products."""
    network = NETWORKS[name]()
    labels = torch.zeros(BATCH_SIZE, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        F.nll_loss(network(torch.zeros(BATCH_SIZE, 1, 28, 28)), labels).backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


def matmul_rate() -> float:
    """Return the operations per second of a large float32 matrix product: what the device attains at best."""
    device = pick_device()
    matrix = torch.ones(MATRIX, MATRIX, device=device)
    matrix @ matrix
    wait_for(device)
    start = time.perf_counter()
    matrix @ matrix
    wait_for(device)
    return 2 * MATRIX**3 / (time.perf_counter() - start)


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()
