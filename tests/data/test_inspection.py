"""Files are read once, bad ones are found, and the digest names the data wherever they lie."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data import inspection
from src.data.inspection import Inspection, inspect
from src.data.sources.folder import Folder
from src.data.sources.imagenette import Imagenette
from src.errors import UserError

LONG_AGO = 1_600_000_000


def age(path: Path, seconds: float = LONG_AGO) -> None:
    """Set the time of change: files that have just been written are never remembered."""
    os.utime(path, (seconds, seconds))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        for number in range(5):
            path = tmp_path / "pets" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number, len(name), 0)).save(path)
            age(path)
    return tmp_path / "pets"


def inspected(root: Path, indices: list[int] | None = None, cache: Path | None = None) -> Inspection:
    source = Folder(str(root), None, 3, "auto", "full")
    source.setup()
    used = np.arange(len(source)) if indices is None else np.array(indices)
    return inspect(source, used, cache or root.parent / "cache")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is read from now on."""
    seen: list[Path] = []
    read_one = inspection._read_one

    def counted(path: Path, channels: int) -> inspection.Fact:
        seen.append(path)
        return read_one(path, channels)

    monkeypatch.setattr(inspection, "_read_one", counted)
    return seen


def test_bad_files_are_named_with_their_reason(root: Path) -> None:
    (root / "cat/1.png").write_bytes(b"")
    (root / "dog/3.png").write_bytes((root / "dog/3.png").read_bytes()[:40])
    (root / "dog/4.png").write_text("no image")
    for _ in range(2):  # the second time out of the cache, once the files are old enough
        bad = inspected(root).unreadable
        assert [(sample.index, sample.path) for sample in bad] == [
            (1, str(root / "cat/1.png")),
            (8, str(root / "dog/3.png")),
            (9, str(root / "dog/4.png")),
        ]
        assert [sample.reason[:15] for sample in bad] == ["is empty (0 byt", "is truncated (a", "is not an image"]
        for sample in bad:
            age(Path(sample.path))


def test_the_second_start_reads_nothing(root: Path, reads: list[Path]) -> None:
    first = inspected(root)
    assert len(reads) == 10
    assert inspected(root) == first
    assert len(reads) == 10


def test_only_what_has_changed_is_read_again(root: Path, reads: list[Path]) -> None:
    first = inspected(root)
    reads.clear()
    Image.new("RGB", (8, 8), "white").save(root / "cat/2.png")
    Image.new("RGB", (8, 8), "white").save(root / "dog/9.png")
    assert inspected(root).digest != first.digest
    assert sorted(reads) == [root / "cat/2.png", root / "dog/9.png"]


def test_a_file_that_has_just_changed_is_not_believed(root: Path) -> None:
    file = root / "cat/0.png"
    now = time.time()
    age(file, now)
    first = inspected(root)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"x")  # same size, and within the same tick of the clock
    age(file, now)
    assert inspected(root).digest != first.digest


def test_the_digest_does_not_depend_on_the_place(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = inspected(root)
    shutil.copytree(root, tmp_path / "else/where")
    assert inspected(tmp_path / "else/where").digest == first.digest
    monkeypatch.chdir(tmp_path)
    assert inspected(Path("pets"), cache=tmp_path / "cache").digest == first.digest


def test_the_digest_covers_names_labels_contents_and_what_is_used(root: Path) -> None:
    digests = [inspected(root).digest, inspected(root, [0, 5]).digest, inspected(root, [0, 6]).digest]
    (root / "cat/0.png").rename(root / "cat/00.png")
    digests.append(inspected(root).digest)
    (root / "cat/00.png").rename(root / "dog/00.png")
    digests.append(inspected(root).digest)
    (root / "dog").rename(root / "hound")
    digests.append(inspected(root).digest)
    assert len(set(digests)) == 6


def test_the_digest_does_not_depend_on_the_order(root: Path) -> None:
    assert inspected(root, [3, 1, 7]).digest == inspected(root, [7, 3, 1]).digest


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cat/0.png": 3}', b'{"cat/0.png": [1, 2]}', b"\xff\x00"])
def test_a_broken_cache_is_made_anew(root: Path, content: bytes) -> None:
    first = inspected(root)
    (cache,) = (root.parent / "cache/inspection").glob("*.json")
    cache.write_bytes(content)
    assert inspected(root) == first
    assert cache.stat().st_size > 100


def test_a_file_that_vanished_is_unreadable(root: Path) -> None:
    source = Folder(str(root), None, 3, "auto", "full")
    source.setup()
    inspect(source, np.arange(10), root.parent / "cache")
    (root / "cat/0.png").unlink()
    (bad,) = inspect(source, np.arange(10), root.parent / "cache").unreadable
    assert bad.reason == "cannot be read: No such file or directory"


def test_channels_are_part_of_what_is_known(root: Path) -> None:
    inspected(root)
    source = Folder(str(root), None, 5, "auto", "full")
    source.setup()
    bad = inspect(source, np.arange(10), root.parent / "cache").unreadable
    assert len(bad) == 10
    assert "has 3 channels where data.source.channels=5" in bad[0].reason


def test_a_cache_that_cannot_be_written_is_named(root: Path) -> None:
    (root.parent / "file").touch()
    with pytest.raises(UserError, match=r"data\.cache_dir=.*file cannot be written"):
        inspected(root, cache=root.parent / "file")


def _inspect_into(root: Path, results: multiprocessing.Queue) -> None:
    results.put(inspected(root).digest)


def test_two_processes_at_once_agree(root: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_inspect_into, args=(root, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    digests = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join(60)
    assert digests == {inspected(root).digest}
    assert [path.suffix for path in sorted((root.parent / "cache/inspection").iterdir())] == [".json", ".lock"]


@pytest.mark.real
@pytest.mark.skipif("DATA_ROOT" not in os.environ, reason="DATA_ROOT is not set: needs imagenette2-160")
def test_thirteen_thousand_known_files_take_less_than_a_second_of_the_processor(tmp_path: Path) -> None:
    source = Imagenette(os.environ["DATA_ROOT"], None, 160, 0)
    source.setup()
    indices = np.arange(len(source))
    first = inspect(source, indices, tmp_path)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        assert inspect(source, indices, tmp_path) == first
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1.0  # 0.4 s where nothing else runs
