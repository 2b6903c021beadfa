"""Downloads survive breaks, check what they got, and leave nothing half done."""

from __future__ import annotations

import gzip
import hashlib
import io
import multiprocessing
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from src import download
from src.download import Remote, fetch
from src.errors import UserError
from src.unpack import unpack

CONTENT = np.random.default_rng(0).bytes(1_000_000)


class Server(ThreadingHTTPServer):
    """Serves `files`; breaks the first `breaks` answers after `break_after` bytes; `ranges` says if it can resume."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.ranges, self.breaks, self.break_after, self.status = files, True, 0, 0, 200
        self.requests: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def remote(self, name: str, checksum: str | None = None) -> Remote:
        digest = checksum or f"md5:{hashlib.md5(self.files[name]).hexdigest()}"
        return Remote((f"http://127.0.0.1:{self.server_port}/sets/{name}",), digest)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        content = self.server.files[Path(self.path).name]
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        broken = self.server.breaks > 0
        self.server.breaks -= 1
        self.wfile.write(content[start : start + self.server.break_after] if broken else content[start:])

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSE", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server({"file.bin": CONTENT}) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def archived(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def test_a_file_arrives_whole_and_once(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "new/folder/file.bin"
    fetch(server.remote("file.bin"), target)
    fetch(server.remote("file.bin"), target)
    assert target.read_bytes() == CONTENT
    assert visible(target.parent) == ["file.bin"]
    assert server.requests == [None]


def test_sha256_is_a_checksum_too(server: Server, tmp_path: Path) -> None:
    fetch(server.remote("file.bin", f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"), tmp_path / "file.bin")
    assert visible(tmp_path) == ["file.bin"]


def test_a_broken_connection_is_resumed_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.breaks, server.break_after = 4, 200_000
    fetch(server.remote("file.bin"), tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in server.requests[1:] if asked]
    assert len(starts) == 4
    assert starts == sorted(starts)
    assert starts[0] > 100_000


def test_a_server_without_ranges_sends_from_the_start(server: Server, tmp_path: Path) -> None:
    server.ranges, server.breaks, server.break_after = False, 1, 400_000
    fetch(server.remote("file.bin"), tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_an_interrupted_process_is_continued_by_the_next(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:700_000])
    fetch(server.remote("file.bin"), tmp_path / "file.bin")
    assert server.requests == ["bytes=700000-"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("begun", [b"of another file", CONTENT + b"longer"])
def test_a_wrong_beginning_is_thrown_away(server: Server, tmp_path: Path, begun: bytes) -> None:
    (tmp_path / "file.bin.part").write_bytes(begun)
    fetch(server.remote("file.bin"), tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_a_complete_part_needs_only_its_name(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    fetch(server.remote("file.bin"), tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        fetch(server.remote("file.bin", "md5:" + "0" * 32), tmp_path / "file.bin")
    assert f"{hashlib.md5(CONTENT).hexdigest()} instead of {'0' * 32}" in str(caught.value)
    assert visible(tmp_path) == []


def test_a_refusal_is_not_repeated_but_a_mirror_is_asked(server: Server, tmp_path: Path) -> None:
    server.status = 404
    good = server.remote("file.bin")
    with pytest.raises(UserError, match="the server answers 404 Not Found"):
        fetch(good, tmp_path / "file.bin")
    assert len(server.requests) == 1
    server.status = 200
    mirrored = Remote((f"http://127.0.0.1:{unused_port()}/file.bin", *good.urls), good.checksum)
    fetch(mirrored, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.01)
    url = f"http://127.0.0.1:{unused_port()}/sets/flowers.tgz"
    with pytest.raises(UserError) as caught:
        fetch(Remote((url,), "md5:abc"), tmp_path / "flowers")
    message = str(caught.value)
    for words in (url, "no connection to '127.0.0.1'", "md5 abc", f"put it into {tmp_path} as flowers.tgz"):
        assert words in message


def test_a_folder_that_was_typed_wrong_is_not_left_behind(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(UserError, match="404"):
        fetch(server.remote("file.bin"), tmp_path / "typo" / "raw" / "file.bin")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_is_unpacked_and_then_removed(server: Server, tmp_path: Path) -> None:
    server.files["flowers.tgz"] = archived({"flowers/train/rose/1.jpg": b"rose", "flowers/notes.txt": b""})
    fetch(server.remote("flowers.tgz"), tmp_path / "flowers")
    assert (tmp_path / "flowers/train/rose/1.jpg").read_bytes() == b"rose"
    assert visible(tmp_path) == ["flowers"]


def test_an_archive_put_there_by_hand_is_used_and_kept(server: Server, tmp_path: Path) -> None:
    server.files["flowers.tgz"] = archived({"flowers/1.jpg": b"rose"})
    (tmp_path / "flowers.tgz").write_bytes(server.files["flowers.tgz"])
    fetch(server.remote("flowers.tgz"), tmp_path / "flowers")
    assert visible(tmp_path) == ["flowers", "flowers.tgz"]
    assert server.requests == []


def test_a_damaged_archive_put_there_by_hand_is_named(server: Server, tmp_path: Path) -> None:
    server.files["flowers.tgz"] = archived({"flowers/1.jpg": b"rose"})
    (tmp_path / "flowers.tgz").write_bytes(server.files["flowers.tgz"][:-9])
    with pytest.raises(UserError, match=r"is not what was published .* delete it"):
        fetch(server.remote("flowers.tgz"), tmp_path / "flowers")
    assert visible(tmp_path) == ["flowers.tgz"]


def _fetch(remote: Remote, target: Path) -> None:
    fetch(remote, target)


def test_two_processes_download_once(server: Server, tmp_path: Path) -> None:
    server.files["flowers.tgz"] = archived({"flowers/1.jpg": CONTENT})
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_fetch, args=(server.remote("flowers.tgz"), tmp_path / "flowers")) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert server.requests == [None]
    assert visible(tmp_path) == ["flowers"]


@pytest.mark.parametrize("name", ["../escaped.txt", "flowers/../../escaped.txt"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    archive, target = tmp_path / "deep/flowers.bin", tmp_path / "deep/flowers"
    archive.parent.mkdir()
    if kind == "tar":
        archive.write_bytes(archived({"flowers/1.jpg": b"rose", name: b"harm"}))
    else:
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("flowers/1.jpg", "rose")
            packed.writestr(name, "harm")
    with pytest.raises(UserError, match="outside"):
        unpack(archive, target)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "flowers.bin"]


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        link = tarfile.TarInfo("flowers/out")
        link.type, link.linkname = tarfile.SYMTYPE, "../../../etc"
        tar.addfile(link)
    (tmp_path / "flowers.tar").write_bytes(packed.getvalue())
    with pytest.raises(UserError, match="outside"):
        unpack(tmp_path / "flowers.tar", tmp_path / "flowers")
    assert not (tmp_path / "flowers").exists()


def test_zip_and_gz_are_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("flowers/1.jpg", "rose")
    (tmp_path / "digits.gz").write_bytes(gzip.compress(CONTENT))
    unpack(tmp_path / "a.zip", tmp_path / "flowers")
    unpack(tmp_path / "digits.gz", tmp_path / "digits")
    assert (tmp_path / "flowers/1.jpg").read_text() == "rose"
    assert (tmp_path / "digits").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"no archive", gzip.compress(CONTENT)[:-1000], archived({"f/1": CONTENT})[:-1000]])
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tgz").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.tgz cannot be unpacked"):
        unpack(tmp_path / "a.tgz", tmp_path / "f")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tgz"]


def test_an_archive_without_the_name_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(archived({"weeds/1.jpg": b""}))
    with pytest.raises(UserError, match="holds no flowers, only weeds"):
        unpack(tmp_path / "a.tgz", tmp_path / "flowers")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to .*file"):
        fetch(Remote(("http://127.0.0.1/a.tgz",), "md5:0"), tmp_path / "file/flowers")
