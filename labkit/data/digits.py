"""From a drawing, photo or scan of a digit to an image as MNIST's are: 28x28 pixels, light ink on black paper.

Two steps. `find_ink` turns any picture into an ink map: how much ink lies on each pixel, without shadows, specks
and the edge of the paper. `mnist_image` makes the small image of it. The drawing page does the second step in the
browser (`static/pad.js`) with the same arithmetic.

Source of the second step: Y. LeCun, C. Cortes, C. Burges, "The MNIST database": the digits were scaled to fit a
20x20 box with their aspect ratio kept, and placed in a 28x28 field by their centre of mass.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from labkit.base.errors import LabError

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

FIELD = 28
BOX = 20
# In MNIST the centre of mass, in pixel indices, lies within half a pixel of 14 in every image.
CENTRE = 14
# Weaker ink than this share of the strongest is not counted when the box around the digit is found.
FAINT = 0.02
# Added before rounding: a half must go up in Python and JavaScript alike, whatever the last bit of the sum.
TIE = 1e-6

# What is left of a slope of the light around a digit: it would widen the box, and so shrink the digit.
GHOST = 0.1

WORKING_SIDE = 400
COARSE_SIDE = 96
# Paper and ink must differ by this many grey levels of 255: less is an empty page.
LOWEST_CONTRAST = 20
# A smaller spot than this share of the digit's largest stroke is a speck.
SPECK = 0.05


def read_digit(path: str | Path) -> Bytes:
    """Read a drawing, photo or scan of one digit, in any format that Pillow reads, as an image like MNIST's.

    Returns
    -------
    uint8 array, shape (28, 28)
        0 (paper) to 255 (ink).

    Raises
    ------
    LabError
        One line: the file is missing, no image, damaged, too large, or shows no ink.
    """
    path = Path(path)
    if not path.exists():
        raise LabError(f"{path}: no such image file")
    if path.is_dir():
        raise LabError(f"{path}: a folder; valid is an image file")
    try:
        with Image.open(path) as image:
            # A photo is stored as the sensor lay: turn it as it was taken
            upright = ImageOps.exif_transpose(image)
            upright.load()
    except UnidentifiedImageError:
        raise LabError(f"{path}: not an image that Pillow can read; valid are PNG, JPEG, WebP, ...") from None
    except Image.DecompressionBombError:
        raise LabError(f"{path}: too large: scale the image down to some megapixels") from None
    except (OSError, ValueError, SyntaxError) as problem:  # Pillow raises SyntaxError for a broken PNG
        raise LabError(f"{path}: damaged or cut short: {problem}") from None
    try:
        return digit_image(upright)
    except LabError as problem:
        raise LabError(f"{path}: {problem}") from None


def digit_image(picture: Image.Image) -> Bytes:
    """Turn any picture of one digit, dark on light or light on dark, into an image like MNIST's.

    Returns
    -------
    uint8 array, shape (28, 28)

    Raises
    ------
    LabError
        There is no ink on it.
    """
    return mnist_image(find_ink(grey_levels(picture)))


def grey_levels(image: Image.Image) -> Floats:
    """Return the brightness of an image, 0 to 255, with transparent parts as paper and no side above 400 pixels."""
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):  # scans of more than 8 bits: from darkest to brightest
        values = np.asarray(image, np.float64)
        span = max(float(np.ptp(values)), 1e-12)
        image = Image.fromarray(np.round(255 * (values - values.min()) / span).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = _on_paper(image.convert("RGBA"))
    image = image.convert("L")
    if max(image.size) > WORKING_SIDE:
        scale = WORKING_SIDE / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BOX)
    return np.asarray(image, np.float64)


def _on_paper(image: Image.Image) -> Image.Image:
    """Lay a picture with transparency on paper from which its ink stands out: white, or black for light ink."""
    opacity = np.asarray(image.getchannel("A"), np.float64)
    brightness = np.asarray(image.convert("L"), np.float64)
    light_ink = opacity.sum() > 0 and (opacity * brightness).sum() / opacity.sum() > 127
    see_through = (opacity < 128).mean() > 0.02
    paper = Image.new("RGBA", image.size, "black" if light_ink and see_through else "white")
    return Image.alpha_composite(paper, image)


def find_ink(grey: Floats) -> Floats:
    """Find the ink of a digit on paper, dark on light or light on dark, from brightness between 0 and 255.

    Returns
    -------
    float array, shape (height, width)
        0 (paper) to 1 (full ink). Uneven light, noise, specks and strokes cut by the edge are removed.
    """
    # The frame of a picture is paper more often than not: ink is what differs from it most
    paper = float(np.median(_frame(grey)))
    if float(grey.max()) - paper > paper - float(grey.min()):
        grey = 255 - grey
    ink = np.maximum(_paper_under(grey) - grey, 0)
    contrast = float(ink.max())
    if contrast < LOWEST_CONTRAST:
        raise LabError("no ink found: the digit must stand out from the paper")
    threshold = _otsu(ink)
    full = float(np.percentile(ink[ink > threshold], 75))
    # Noise of the paper: three standard deviations, told from the median so that ink does not count
    blank = ink[ink <= threshold]
    noise = min(3 * 1.4826 * float(np.median(np.abs(blank - np.median(blank)))) + float(np.median(blank)), full / 3)
    strength = np.clip((ink - noise) / (full - noise), 0, 1)
    strength[strength < GHOST] = 0
    kept = _digit_parts(ink > threshold)
    if not kept.any():
        raise LabError("no ink found: only specks")
    # A part's soft rim is weaker than the threshold: keep what lies next to it
    reach = max(2, round(max(grey.shape) / 60))
    near = ndimage.maximum_filter(kept, 2 * reach + 1)
    result: Floats = np.where(near, strength, 0.0)
    return result


def _frame(values: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _paper_under(grey: Floats) -> Floats:
    """Return the brightness that the paper would have without the ink: a closing, wider than any stroke."""
    height, width = grey.shape
    scale = min(1.0, COARSE_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    coarse = np.asarray(Image.fromarray(grey.astype(np.float32)).resize(size, Image.Resampling.BOX), np.float64)
    reach = max(1, max(size) // 5)
    closed = ndimage.grey_closing(coarse, (2 * reach + 1, 2 * reach + 1), mode="nearest")
    shaded = Image.fromarray(closed.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(shaded, np.float64)


def _otsu(values: Floats) -> float:
    """Return the threshold that splits values into two classes of the lowest variance (N. Otsu, 1979)."""
    counts, edges = np.histogram(values, 256)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * middles)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1:][np.argmax(below * above * (mean_below - mean_above) ** 2)])


def _digit_parts(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the parts of a digit: not specks, and not what the edge of the picture cuts, if there is more."""
    labels, parts = ndimage.label(mask, np.ones((3, 3)))  # corners connect as well
    if not parts:
        return mask
    numbers, sizes = np.arange(1, parts + 1), np.bincount(labels.ravel())[1:]
    inside = ~np.isin(numbers, _frame(labels))
    if inside.any() and sizes[inside].max() >= 0.3 * sizes.max():
        numbers, sizes = numbers[inside], sizes[inside]
    return np.isin(labels, numbers[sizes >= SPECK * sizes.max()])


def mnist_image(ink: NDArray[np.generic]) -> Bytes:
    """Make a 28x28 image of an ink map the way MNIST was made.

    The digit is cropped, scaled to fit 20x20 with its aspect ratio kept, and moved by whole pixels so that its
    centre of mass lies in the middle. `mnistImage` in `static/pad.js` does the same; a test holds both together.

    Parameters
    ----------
    ink : array, shape (height, width)
        No ink is 0; any unit.

    Returns
    -------
    uint8 array, shape (28, 28)
        0 (paper) to 255 (the strongest ink).
    """
    values = np.asarray(ink, np.float64)
    strongest = float(values.max(initial=0))
    if strongest <= 0:
        raise LabError("no ink found")
    rows = np.flatnonzero((values > FAINT * strongest).any(axis=1))
    columns = np.flatnonzero((values > FAINT * strongest).any(axis=0))
    crop = values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = crop.shape
    longest = max(height, width)
    fitted = [max(1, int(BOX * side / longest + 0.5 + TIE)) for side in (height, width)]
    small = _area_weights(height, fitted[0]) @ crop @ _area_weights(width, fitted[1]).T
    levels = np.floor(255 * small / small.max() + 0.5 + TIE)
    total = levels.sum()
    top = _corner(float(levels.sum(axis=1) @ np.arange(fitted[0])) / total, fitted[0])
    left = _corner(float(levels.sum(axis=0) @ np.arange(fitted[1])) / total, fitted[1])
    image = np.zeros((FIELD, FIELD), np.uint8)
    image[top : top + fitted[0], left : left + fitted[1]] = levels
    return image


def _corner(centre: float, size: int) -> int:
    """Return where a digit of this size starts so that its centre of mass is in the middle, inside the field."""
    return min(max(int(np.floor(CENTRE - centre + 0.5 + TIE)), 0), FIELD - size)


def _area_weights(source: int, target: int) -> Floats:
    """Return the matrix, (target, source), that averages pixels by the area that each one covers; rows sum to 1."""
    step = source / target
    start = step * np.arange(target)[:, np.newaxis]
    pixel = np.arange(source)[np.newaxis, :]
    overlap = np.minimum(start + step, pixel + 1) - np.maximum(start, pixel)
    weights: Floats = np.maximum(overlap, 0) / step
    return weights
