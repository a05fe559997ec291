"""The download of MNIST, against a server of our own: good mirrors, bad ones, two processes at once, a full disk."""

import errno
import io
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from labkit.data import ImageSet, load_mnist
from labkit.download import cached_mnist
from labkit.errors import LabError
from labkit.idx import MNIST_SHA256, checked_content
from labkit.paths import data_dir

FILES = {f"{name}.gz": (data_dir() / "mnist" / f"{name}.gz").read_bytes() for name in MNIST_SHA256}
FIRST = next(iter(FILES))
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"


class Mirror(BaseHTTPRequestHandler):
    """Answers `/<behaviour>/<file>`; notes every request."""

    server: "MirrorServer"

    def do_GET(self) -> None:
        self.server.seen[self.path] += 1
        behaviour, name = self.path.strip("/").split("/")
        content = self.server.files[name]
        if behaviour.isdigit():
            self._answer(int(behaviour), b"no")
        elif behaviour == "recovering" and self.server.seen[self.path] < 3:
            self._answer(503, b"later")
        elif behaviour == "html":
            self._answer(200, HTML)
        elif behaviour == "cut":
            self._answer(200, content[: len(content) // 2], promised=len(content))
        elif behaviour == "short":  # cut, and the header agrees with the cut
            self._answer(200, content[: len(content) // 2])
        elif behaviour == "wrong":
            self._answer(200, FILES["t10k-labels-idx1-ubyte.gz"])
        elif behaviour == "slow":
            self._answer(200, content, pause_s=0.02)
        else:
            self._answer(200, content)

    def _answer(self, status: int, body: bytes, promised: int | None = None, pause_s: float = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        for start in range(0, len(body), 1 << 19):
            time.sleep(pause_s)
            self.wfile.write(body[start : start + (1 << 19)])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class MirrorServer(ThreadingHTTPServer):
    """A server on an ephemeral port that counts what is asked of it."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Mirror)
        self.files = files
        self.seen: Counter[str] = Counter()

    def address(self, behaviour: str) -> str:
        """Return the address of a mirror that behaves like this."""
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"


@pytest.fixture
def server() -> Iterator[MirrorServer]:
    with MirrorServer(FILES | {"mnist.npz": b"", "damaged.npz": b""}) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(cache: Path, *idx_mirrors: str, npz: tuple[str, ...] = ()) -> Path:
    return cached_mnist(cache, idx_mirrors, npz, wait_s=0.01)


def assert_whole(folder: Path) -> None:
    for name, expected in MNIST_SHA256.items():
        checked_content(folder, name, expected)
    assert sorted(p.name for p in folder.iterdir() if p.name != ".lock") == sorted(FILES)


def assert_nothing_kept(folder: Path) -> None:
    assert [p.name for p in folder.iterdir() if p.name != ".lock"] == []


def test_a_good_mirror_is_asked_once_for_each_file(server: MirrorServer, tmp_path: Path) -> None:
    folder = fetch(tmp_path, server.address("good"))
    assert_whole(folder)
    assert server.seen == {f"/good/{name}": 1 for name in FILES}
    assert fetch(tmp_path, server.address("good")) == folder
    assert sum(server.seen.values()) == 4


def test_a_download_says_nothing_when_nobody_watches(
    server: MirrorServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch(tmp_path, server.address("good"))
    assert capfd.readouterr() == ("", "")


def test_a_slow_mirror_is_waited_for(server: MirrorServer, tmp_path: Path) -> None:
    assert_whole(fetch(tmp_path, server.address("slow")))


def test_a_mirror_that_recovers_is_asked_again(server: MirrorServer, tmp_path: Path) -> None:
    server.files = dict(FILES)
    assert_whole(fetch(tmp_path, server.address("recovering"), server.address("good")))
    assert server.seen[f"/recovering/{FIRST}"] == 3


@pytest.mark.parametrize(
    ("behaviour", "times"),
    [("403", 1), ("404", 1), ("503", 3), ("cut", 3), ("short", 3), ("html", 3), ("wrong", 3)],
)
def test_a_bad_mirror_is_left_for_the_next(behaviour: str, times: int, server: MirrorServer, tmp_path: Path) -> None:
    assert_whole(fetch(tmp_path, server.address(behaviour), server.address("good")))
    assert server.seen[f"/{behaviour}/{FIRST}"] == times
    assert server.seen[f"/good/{FIRST}"] == 1


def test_when_all_mirrors_fail_each_is_named_once_with_its_problem(server: MirrorServer, tmp_path: Path) -> None:
    mirrors = [server.address(b) for b in ("403", "404", "503", "cut", "html")]
    nobody = "http://127.0.0.1:9/"
    with pytest.raises(LabError) as caught:
        fetch(tmp_path, *mirrors, nobody, npz=(server.address("404") + "mnist.npz",))
    message = str(caught.value)
    problems = [
        "answered 403",
        "answered 404",
        "answered 503",
        "could not be reached or cut off",
        "sent something else",
    ]
    for mirror, problem in [*zip(mirrors, problems, strict=True), (nobody, "could not be reached")]:
        assert message.count(f"{mirror} {problem}") == 1
    assert f"{mirrors[1]}mnist.npz answered 404" in message
    assert str(tmp_path) in message
    assert "\n" not in message
    assert_nothing_kept(tmp_path)


# Keras's archive


def npz(data: ImageSet, keys: tuple[str, ...] = ("x_train", "y_train", "x_test", "y_test")) -> bytes:
    packed = io.BytesIO()
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    np.savez(packed, allow_pickle=True, **dict(zip(keys, arrays, strict=True)))
    return packed.getvalue()


def test_keras_archive_gives_the_same_images(server: MirrorServer, tmp_path: Path, mnist: ImageSet) -> None:
    server.files["mnist.npz"] = npz(mnist)
    folder = fetch(tmp_path, server.address("404"), npz=(server.address("good") + "mnist.npz",))
    assert_whole(folder)
    assert np.array_equal(load_mnist(folder).test_images, mnist.test_images)


def test_a_damaged_archive_is_told_as_such(server: MirrorServer, tmp_path: Path, small: ImageSet) -> None:
    whole = npz(small)
    cases = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "html": HTML,
        "other keys": npz(small, ("a", "b", "c", "d")),
        "too few images": whole,
        "flipped": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
    }
    for case, content in cases.items():
        server.files["mnist.npz"] = content
        with pytest.raises(LabError, match="sent something else than MNIST"):
            fetch(tmp_path / case, npz=(server.address("good") + "mnist.npz",))
        assert_nothing_kept(tmp_path / case)


# Two processes


def test_two_processes_get_one_copy(server: MirrorServer, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from labkit.download import cached_mnist; "
        f"print(cached_mnist(Path(sys.argv[1]), [{server.address('slow')!r}], []))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert printed == {str(tmp_path)}
    assert_whole(tmp_path)
    assert server.seen == {f"/slow/{name}": 1 for name in FILES}


# Disks and folders


def test_a_full_disk_is_told_and_leaves_nothing(
    server: MirrorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk:
        def __init__(self, **_: object) -> None: ...

        def __call__(self, _address: str, output: str, _pooch: object) -> None:
            Path(output).write_bytes(FILES[FIRST][:1000])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pooch.HTTPDownloader", FullDisk)
    with pytest.raises(LabError, match="the MNIST cache cannot be written: No space left on device"):
        fetch(tmp_path, server.address("good"))
    assert_nothing_kept(tmp_path)


def test_a_disk_that_is_full_when_the_archive_is_unpacked_is_not_the_archives_fault(
    server: MirrorServer, tmp_path: Path, small: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server.files["mnist.npz"] = npz(small)
    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(LabError, match="No space left on device"):
        fetch(tmp_path, npz=(server.address("good") + "mnist.npz",))
    assert_nothing_kept(tmp_path)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB: room for two of the four files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
def test_a_disk_that_really_fills_up(server: MirrorServer, tiny_disk: Path) -> None:
    with pytest.raises(LabError, match="the MNIST cache cannot be written: No space left on device"):
        fetch(tiny_disk / "mnist", server.address("good"))
    assert_nothing_kept(tiny_disk / "mnist")


@pytest.mark.skipif(sys.platform != "linux", reason="the way to mount is Linux's")
def test_a_read_only_disk_is_told(server: MirrorServer, tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(LabError, match="the MNIST cache cannot be written: Read-only file system"):
        fetch(tiny_disk / "mnist", server.address("good"))
    assert not server.seen


def test_a_file_in_the_place_of_the_cache_is_told(server: MirrorServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LabError, match="the MNIST cache cannot be written: Not a directory"):
        fetch(tmp_path / "file" / "mnist", server.address("good"))
    assert not server.seen


def test_a_cache_that_lost_a_file_is_filled_again(server: MirrorServer, tmp_path: Path) -> None:
    fetch(tmp_path, server.address("good"))
    (tmp_path / FIRST).unlink()
    assert_whole(fetch(tmp_path, server.address("good")))
    assert server.seen[f"/good/{FIRST}"] == 2
