"""MNIST as shipped, and every way in which a data file can be wrong."""

import gzip
import hashlib
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import idx_bytes, small_idx_files, write_idx_folder
from hypothesis import given
from hypothesis import strategies as st

import labkit.data.mnist
from labkit.base.errors import LabError
from labkit.base.paths import data_dir
from labkit.data.idx import MNIST_SHA256, checked_content, parse_idx
from labkit.data.mnist import PIXEL_MEAN, PIXEL_STD, ImageSet, load_mnist, read_idx_folder

NAMES = list(MNIST_SHA256)
SHIPPED = data_dir() / "mnist"


def test_shapes_types_and_sums_are_those_of_mnist(mnist: ImageSet) -> None:
    assert mnist.train_images.shape == (60_000, 28, 28)
    assert mnist.test_images.shape == (10_000, 28, 28)
    assert mnist.train_labels.shape == (60_000,)
    assert mnist.test_labels.shape == (10_000,)
    arrays = (mnist.train_images, mnist.train_labels, mnist.test_images, mnist.test_labels)
    assert {array.dtype for array in arrays} == {np.dtype(np.uint8)}
    assert np.bincount(mnist.train_labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    for name, array in zip(NAMES, arrays, strict=True):
        assert hashlib.sha256(idx_bytes(array)).hexdigest() == MNIST_SHA256[name]


def test_the_normalisation_is_that_of_the_training_pixels(mnist: ImageSet) -> None:
    counts = np.bincount(mnist.train_images.ravel(), minlength=256) / mnist.train_images.size
    levels = np.arange(256) / 255
    mean = float(counts @ levels)
    assert round(mean, 4) == PIXEL_MEAN
    assert round(float(counts @ (levels - mean) ** 2) ** 0.5, 4) == PIXEL_STD


def test_first_cuts_the_training_set_only(mnist: ImageSet) -> None:
    part = mnist.first(128)
    assert np.array_equal(part.train_images, mnist.train_images[:128])
    assert np.array_equal(part.train_labels, mnist.train_labels[:128])
    assert part.test_images is mnist.test_images
    assert part.test_labels is mnist.test_labels
    assert part.class_names == mnist.class_names


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if "images" in name else []) for name in NAMES],
)
def test_the_packed_files_come_out_the_same_when_packed_again(name: str) -> None:
    packed = (SHIPPED / f"{name}.gz").read_bytes()
    if "ng" in zlib.ZLIB_RUNTIME_VERSION:
        pytest.skip("zlib-ng packs the same content differently")
    again = gzip.compress(gzip.decompress(packed), compresslevel=9, mtime=0)
    # byte 9 names the operating system: Python wrote 3 up to 3.12 and writes 255 since
    assert again[:9] + again[10:] == packed[:9] + packed[10:]


@pytest.mark.parametrize("name", NAMES)
def test_the_packed_files_hold_neither_a_file_name_nor_a_time(name: str) -> None:
    with (SHIPPED / f"{name}.gz").open("rb") as stream:
        assert stream.read(8)[3:] == bytes(5)


def test_the_sums_file_agrees_with_the_packed_files() -> None:
    lines = [line.split() for line in (SHIPPED / "SHA256SUMS").read_text(encoding="utf-8").splitlines()]
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in SHIPPED.glob("*.gz")}
    assert {name: total for total, name in lines} == found
    assert sorted(found) == sorted(f"{name}.gz" for name in NAMES)


def test_the_data_readme_gives_the_sums_that_the_loader_checks() -> None:
    readme = (SHIPPED / "README.md").read_text(encoding="utf-8")
    for name, total in MNIST_SHA256.items():
        assert f"| `{name}` | `{total}` |" in readme


# Damage to the real files


def _cut(packed: bytes) -> bytes:
    return packed[: len(packed) // 2]


def _flip(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 1]) + packed[middle + 1 :]


def _lie(packed: bytes) -> bytes:
    raw = gzip.decompress(packed)
    return gzip.compress(raw[:7] + bytes([raw[7] ^ 1]) + raw[8:], compresslevel=1)


def _swap(_: bytes) -> bytes:
    return (SHIPPED / "train-labels-idx1-ubyte.gz").read_bytes()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("t10k-labels-idx1-ubyte", damage) for damage in (_cut, _flip, _lie, _swap)),
        ("t10k-images-idx3-ubyte", _flip),
    ],
)
def test_a_damaged_file_is_named_with_both_sums(
    name: str, damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in NAMES:
        (tmp_path / f"{other}.gz").symlink_to(SHIPPED / f"{other}.gz")
    path = tmp_path / f"{name}.gz"
    path.unlink()
    path.write_bytes(damage((SHIPPED / path.name).read_bytes()))
    # the sums of the intact files have been tried above: here only the damaged one is read
    monkeypatch.setattr(labkit.data.mnist, "MNIST_SHA256", {name: MNIST_SHA256[name]})
    with pytest.raises(LabError) as caught:
        load_mnist(tmp_path)
    message = str(caught.value)
    assert str(path) in message
    assert f"expected SHA-256 {MNIST_SHA256[name]}, found " in message
    found = message.rsplit(" ", 1)[1]
    assert len(found) == 64
    assert found != MNIST_SHA256[name]
    assert "\n" not in message


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    content = small_idx_files()
    del content[name]
    with pytest.raises(LabError, match=rf"{name}\.gz: no such file"):
        read_idx_folder(write_idx_folder(tmp_path, content))


# Every kind of damage, on small files


SMALL = small_idx_files(test=20)["t10k-labels-idx1-ubyte"]
PACKED = gzip.compress(SMALL, mtime=0)
SMALL_SUM = hashlib.sha256(SMALL).hexdigest()


def _read(packed: bytes, folder: Path) -> bytes:
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(packed)
    return checked_content(folder, "t10k-labels-idx1-ubyte", SMALL_SUM)


def test_a_file_cut_at_any_length_is_refused(tmp_path: Path) -> None:
    for length in range(len(PACKED)):
        with pytest.raises(LabError, match=r"cut short or damaged.*expected SHA-256"):
            _read(PACKED[:length], tmp_path)


@given(position=st.integers(0, len(PACKED) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_never_changes_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, position: int, bit: int
) -> None:
    damaged = bytearray(PACKED)
    damaged[position] ^= 1 << bit
    folder = tmp_path_factory.mktemp("flipped")
    try:
        content = _read(bytes(damaged), folder)
    except LabError as problem:
        assert str(folder) in str(problem)
        assert f"expected SHA-256 {SMALL_SUM}" in str(problem)
    else:
        assert content == SMALL  # a bit of the header that says nothing about the content, as its time


def test_what_follows_a_packed_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="does not check out"):
        _read(PACKED + b"something else", tmp_path)


def test_a_folder_under_a_files_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz").mkdir()
    with pytest.raises(LabError, match="cannot be read: Is a directory"):
        read_idx_folder(tmp_path)


def test_plain_files_are_read_as_well_as_packed_ones(tmp_path: Path) -> None:
    content = small_idx_files()
    packed = read_idx_folder(write_idx_folder(tmp_path / "packed", content))
    (tmp_path / "plain").mkdir()
    for name, raw in content.items():
        (tmp_path / "plain" / name).write_bytes(raw)
    plain = read_idx_folder(tmp_path / "plain", {n: hashlib.sha256(raw).hexdigest() for n, raw in content.items()})
    assert np.array_equal(plain.train_images, packed.train_images)
    assert plain.train_images.shape == (30, 28, 28)
    assert plain.test_labels.shape == (10,)


# Headers that do not fit their content


IMAGES = idx_bytes(np.zeros((2, 28, 28), np.uint8))
HEADERS = {
    "empty": b"",
    "shorter than a header": IMAGES[:15],
    "an HTML page": b"<!DOCTYPE html><html><body>Not found</body></html>",
    "signed bytes": bytes([0, 0, 9, 3]) + IMAGES[4:],
    "labels": idx_bytes(np.zeros(100, np.uint8)),
    "other image size": idx_bytes(np.zeros((2, 32, 32), np.uint8)),
    "one image too few": IMAGES[:-784],
    "one byte too many": IMAGES + b"\0",
    "four billion images": IMAGES[:4] + b"\xff\xff\xff\xff" + IMAGES[8:],
}


@pytest.mark.parametrize("raw", HEADERS.values(), ids=HEADERS.keys())
def test_a_wrong_header_is_refused_without_any_sum(raw: bytes, tmp_path: Path) -> None:
    content = small_idx_files() | {"t10k-images-idx3-ubyte": raw}
    with pytest.raises(LabError, match="t10k-images-idx3-ubyte: ") as caught:
        read_idx_folder(write_idx_folder(tmp_path, content))
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=2000), st.sampled_from(NAMES))
def test_any_content_is_parsed_or_refused(raw: bytes, name: str) -> None:
    try:
        array = parse_idx(raw, name)
    except LabError:
        return
    assert idx_bytes(array) == raw


@given(st.integers(0, 5), st.booleans())
def test_parsing_gives_back_what_was_written(count: int, images: bool) -> None:
    shape = (count, 28, 28) if images else (count,)
    array = np.random.default_rng(count).integers(0, 10, shape, np.uint8)
    parsed = parse_idx(idx_bytes(array), "an-idx3-file" if images else "an-idx1-file")
    assert np.array_equal(parsed, array)
    assert parsed.flags.writeable


def test_a_label_that_is_no_digit_is_refused(tmp_path: Path) -> None:
    content = small_idx_files() | {"train-labels-idx1-ubyte": idx_bytes(np.full(30, 10, np.uint8))}
    with pytest.raises(LabError, match="train-labels-idx1-ubyte: holds the label 10: valid are 0 to 9"):
        read_idx_folder(write_idx_folder(tmp_path, content))


def test_as_many_labels_as_images_are_needed_and_at_least_one(tmp_path: Path) -> None:
    content = small_idx_files() | {"train-labels-idx1-ubyte": idx_bytes(np.zeros(29, np.uint8))}
    with pytest.raises(LabError, match="30 train images but 29 labels"):
        read_idx_folder(write_idx_folder(tmp_path / "fewer", content))
    with pytest.raises(LabError, match="no t10k images"):
        read_idx_folder(write_idx_folder(tmp_path / "none", small_idx_files(test=0)))


# Where the loader looks


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four small files that the loader takes for MNIST."""
    content = small_idx_files()
    sums = {name: hashlib.sha256(raw).hexdigest() for name, raw in content.items()}
    monkeypatch.setattr(labkit.data.mnist, "MNIST_SHA256", sums)
    return content


def test_the_shipped_files_are_read_by_default(
    made: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labkit.data.mnist, "data_dir", lambda: tmp_path)
    write_idx_folder(tmp_path / "mnist", made)
    assert len(load_mnist().train_images) == 30


def test_damaged_and_missing_shipped_files_are_named(
    made: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labkit.data.mnist, "data_dir", lambda: tmp_path)
    path = write_idx_folder(tmp_path / "mnist", made) / f"{NAMES[2]}.gz"
    path.write_bytes(_cut(path.read_bytes()))
    with pytest.raises(LabError, match=re.escape(f"{path}: cut short or damaged: expected SHA-256 ")):
        load_mnist()
    path.unlink()
    with pytest.raises(LabError, match=re.escape(f"{path}: no such file; all four MNIST files are needed")):
        load_mnist()
