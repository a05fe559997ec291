"""Any picture of a digit becomes an image like MNIST's, and labkit predict reads it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, call
from helpers import labkit_command, run_command
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from labkit.base.errors import LabError
from labkit.data.digits import digit_image, find_ink, mnist_image, read_digit
from labkit.data.mnist import ImageSet

Bytes = NDArray[np.uint8]


def enlarged(image: Bytes, side: int) -> NDArray[np.float64]:
    """Return an MNIST digit as a large smooth ink map, 0 to 1."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC), np.float64) / 255


def photo(image: Bytes, side: int = 300, top: int = 40, left: int = 60, noise: float = 4, seed: int = 0) -> Bytes:
    """Return a photo of a digit, dark on paper in uneven light, 480x640."""
    random = np.random.default_rng(seed)
    ink = np.zeros((480, 640))
    ink[top : top + side, left : left + side] = enlarged(image, side)
    rows, columns = np.mgrid[0:480, 0:640]
    light = 205 + 35 * np.sin(columns / 300) - 35 * rows / 480
    shot = light * (1 - 0.8 * ink) + random.normal(0, noise, ink.shape)
    clipped: Bytes = np.clip(shot, 0, 255).astype(np.uint8)
    return clipped


def digit_of(shot: Bytes) -> Bytes:
    return digit_image(Image.fromarray(shot))


def difference(one: Bytes, other: Bytes) -> float:
    """Return the mean difference over the 28x28 pixels, in grey levels, up to a shift by one pixel.

    The centre of mass is rounded to a pixel: a hair can decide between two.
    """
    shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return min(float(np.abs(np.roll(one, shift, (0, 1)).astype(float) - other).mean()) for shift in shifts)


def test_images_of_mnist_are_their_own_image(mnist: ImageSet) -> None:
    made = np.stack([mnist_image(image) for image in mnist.test_images[:500]])
    levels = np.abs(made.astype(int) - mnist.test_images[:500]).max(axis=(1, 2))
    assert (levels <= 2).mean() > 0.95  # a level or two: the strongest ink of an image becomes 255


def test_photos_of_mnist_digits_come_back_nearly_themselves(mnist: ImageSet) -> None:
    for index in range(40):
        image = mnist.test_images[index]
        shot = photo(image, seed=index)
        assert difference(digit_of(shot), image) < 20, index
        assert difference(digit_of(255 - shot), image) < 20, index


def test_the_image_fits_the_box_and_is_centred(mnist: ImageSet) -> None:
    for image in mnist.test_images[:50]:
        made = mnist_image(enlarged(image, 300)).astype(float)
        rows, columns = np.flatnonzero(made.any(axis=1)), np.flatnonzero(made.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
        for axis in (0, 1):
            centre = made.sum(axis=1 - axis) @ np.arange(28) / made.sum()
            assert abs(centre - 14) <= 0.51


@given(st.integers(0, 99), st.integers(180, 440), st.integers(0, 40), st.integers(0, 200))
def test_position_size_and_inversion_change_little(index: int, side: int, top: int, left: int) -> None:
    image = _digits()[index]
    here = photo(image, side, top, left, noise=0)
    reference = digit_of(photo(image, noise=0))
    assert difference(digit_of(here), reference) < 16
    # 255 - x mirrors every grey level: the same ink, but for the rounding of its brightness
    assert difference(digit_of(255 - here), digit_of(here)) < 16


@given(st.integers(0, 99), st.integers(0, 3), st.integers(0, 3))
def test_translation_by_whole_pixels_changes_nothing(index: int, down: int, right: int) -> None:
    ink = np.zeros((60, 60), np.uint8)
    ink[down : down + 28, right : right + 28] = _digits()[index]
    assert np.array_equal(mnist_image(ink), mnist_image(_digits()[index]))


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_any_ink_gives_an_image(height: int, width: int, data: st.DataObject) -> None:
    size = height * width
    values = data.draw(st.binary(min_size=size, max_size=size))
    ink = np.frombuffer(values, np.uint8).reshape(height, width)
    if not ink.any():
        with pytest.raises(LabError, match="no ink"):
            mnist_image(ink)
        return
    made = mnist_image(ink)
    assert made.shape == (28, 28)
    assert made.dtype == np.uint8
    assert made.max() == 255


_cache: list[Bytes] = []


def _digits() -> Bytes:
    from labkit.data.mnist import load_mnist

    if not _cache:
        _cache.append(load_mnist().test_images[:100])
    return _cache[0]


def variants(shot: Bytes) -> dict[str, Image.Image]:
    """Return one photo in every mode in which pictures come."""
    grey = Image.fromarray(shot)
    transparent = Image.new("RGBA", grey.size, (20, 30, 90, 0))
    transparent.putalpha(Image.fromarray(np.where(shot < 110, 255, 0).astype(np.uint8)))
    white = Image.new("RGBA", grey.size, (255, 255, 255, 0))
    white.putalpha(transparent.getchannel("A"))
    return {
        "RGB": grey.convert("RGB"),
        "RGBA": grey.convert("RGBA"),
        "P": grey.convert("P"),
        "1": grey.convert("1", dither=Image.Dither.NONE),
        "CMYK": grey.convert("CMYK"),
        "LA": grey.convert("LA"),
        "16 bits": Image.fromarray(shot.astype(np.uint16) * 200),
        "dark on transparent": transparent,
        "light on transparent": white,
        "blue on yellow": Image.merge("RGB", [grey, grey, Image.new("L", grey.size, 120)]),
    }


def test_every_kind_of_picture_shows_the_same_digit(mnist: ImageSet) -> None:
    image = mnist.test_images[1]
    for mode, picture in variants(photo(image)).items():
        assert difference(digit_image(picture), image) < 26, mode


def test_specks_and_the_edge_of_the_paper_are_left_out(mnist: ImageSet) -> None:
    image = mnist.test_images[0]
    shot = photo(image, noise=0)
    clean = digit_of(shot)
    shot[20:24, 600:604] = 10  # a speck
    shot[:, :12] = 15  # the table beside the paper
    assert difference(digit_of(shot), clean) < 3


def test_a_digit_that_touches_the_edge_is_still_read(mnist: ImageSet) -> None:
    image = mnist.test_images[0]
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    tight = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert difference(digit_image(Image.fromarray(tight)), image) < 12


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_page_has_no_ink(level: int) -> None:
    with pytest.raises(LabError, match="no ink found"):
        find_ink(np.full((50, 60), float(level)))


def test_files_that_are_no_pictures_end_in_one_line(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(photo(_digits()[0])).save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:5000])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    for name, message in {
        "none.png": "no such image file",
        ".": "a folder",
        "cut.png": "damaged or cut short",
        "text.png": "not an image",
        "empty.png": "not an image",
    }.items():
        with pytest.raises(LabError, match=message):
            read_digit(tmp_path / name)


def test_a_photo_is_turned_as_it_was_taken(tmp_path: Path, mnist: ImageSet) -> None:
    image = mnist.test_images[0]
    lying = Image.fromarray(photo(image)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    lying.save(tmp_path / "photo.png", exif=exif)
    assert difference(read_digit(tmp_path / "photo.png"), image) < 20


@pytest.fixture(scope="module")
def torch_model(tmp_path_factory: pytest.TempPathFactory, mnist: ImageSet) -> Path:
    """A small trained network: good enough to tell most digits apart."""
    from labkit.torch.networks import build
    from labkit.torch.saving import save_model
    from labkit.torch.training import fit

    network = build("lenet-dropout", "relu", 1)
    fit(network, mnist.first(4000), epochs=2, learning_rate=0.05, momentum=0.9, batch_size=64)
    path = tmp_path_factory.mktemp("models") / "digits.pth"
    save_model(network, path)
    return path


def test_digits_in_photos_are_classified_as_the_images_are(torch_model: Path, mnist: ImageSet) -> None:
    from labkit.runs.frameworks import load_probe

    probe = load_probe(torch_model)
    images = mnist.test_images[:60]
    direct = [int(probe(image)[0].argmax()) for image in images]
    from_photos = [int(probe(digit_of(photo(image, seed=i)))[0].argmax()) for i, image in enumerate(images)]
    assert np.mean(np.equal(direct, from_photos)) >= 0.95


def test_labkit_predict_reads_photos(torch_model: Path, tmp_path: Path, mnist: ImageSet) -> None:
    for index in (0, 1):
        Image.fromarray(photo(mnist.test_images[index])).save(tmp_path / f"{index}.jpg")
    done = run_command(labkit_command("predict", str(torch_model), "0.jpg", "1.jpg"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [line.split(" (")[0] for line in done.stdout.splitlines()] == ["0.jpg: 7", "1.jpg: 2"]
    (row,) = json.loads(call("predict", str(torch_model), "1.jpg", "--json").out)
    assert (row["image"], row["class"]) == ("1.jpg", 2)
    assert sum(row["probabilities"]) == pytest.approx(1, abs=1e-5)


def test_labkit_predict_ends_in_one_line(torch_model: Path, tmp_path: Path) -> None:
    Image.new("L", (60, 60), 255).save(tmp_path / "empty.png")
    for image, message in {"none.png": "no such image file", "empty.png": "no ink found"}.items():
        answer = call("predict", str(torch_model), image)
        assert_refused(answer)
        assert message in answer.err
