"""The packed store gives what its source gives, is whole or not there, and belongs to one source alone."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pytest

from src.data.inspection import inspect
from src.data.media import choice, packing
from src.data.media.choice import Wanted, automatic, packed
from src.data.media.packed import MANIFEST, Packed, Unfit
from src.data.medium import Files
from src.data.sources.folder import Folder
from src.data.sources.shapes import Shapes
from src.data.working import WorkingSize
from src.errors import UserError
from tests.prove.promise import ROOT

GIGANTIC = 1e6  # GiB


def photographs(root: Path, count: int = 12) -> Path:
    """Two classes of noise of several sizes."""
    random = np.random.default_rng(0)
    for number in range(count):
        path = root / "ab"[number % 2] / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = random.integers(0, 256, (int(random.integers(40, 90)), int(random.integers(40, 90)), 3), dtype=np.uint8)
        cv2.imwrite(str(path), image)
    return root


def wanted(root: Path, cache: Path, working: WorkingSize | None = None, indices=None) -> Wanted:
    source = Folder(str(root), None, 3, "auto", "full")
    source.setup()
    used = np.arange(len(source)) if indices is None else np.array(indices)
    found = inspect(source, used, cache)
    bad = [sample.index for sample in found.unreadable]
    return Wanted(source, used[~np.isin(used, bad)], found.listing, working, cache)


@pytest.fixture
def root(tmp_path):
    return photographs(tmp_path / "photographs")


def require_equal(one, other):
    """Every value but the path, which a store leaves out."""
    assert one.keys() == other.keys() - {"path"}
    for key, value in one.items():
        assert type(value) is type(other[key]), key
        np.testing.assert_array_equal(value, other[key])
        assert np.asarray(value).dtype == np.asarray(other[key]).dtype, key


@pytest.mark.parametrize("working", [None, WorkingSize(32), WorkingSize(32, square=True)])
def test_a_store_gives_the_pixels_of_the_files(root, tmp_path, working):
    want = wanted(root, tmp_path / "cache", working)
    store = packed(want)
    assert len(store) == 12
    for index in range(12):
        require_equal(store.read(index), Files(want.source, working).read(index))
    assert store.read(0)["image"].base is not None
    with pytest.raises(ValueError, match="read-only"):
        store.read(0)["image"][0] = 0


@pytest.mark.parametrize("working", [None, WorkingSize(24)])
@pytest.mark.parametrize("max_objects", [1, 5])
def test_every_kind_of_target_comes_back(tmp_path, working, max_objects):
    source = Shapes(size=32, train=20, val=5, test=5, identities=7, max_objects=max_objects, nothing=0.2, seed=0)
    indices = np.arange(30)
    store = packed(Wanted(source, indices, inspect(source, indices, tmp_path).listing, working, tmp_path))
    assert set(store.targets) == set(source.targets)
    for index in range(30):
        require_equal(store.read(index), Files(source, working).read(index))


def test_a_store_of_some_samples_knows_them_by_their_numbers(root, tmp_path):
    want = wanted(root, tmp_path / "cache", indices=[1, 4, 5, 11])
    store = packed(want)
    for index in (1, 4, 5, 11):
        require_equal(store.read(index), want.source.read(index))
    for index in (0, 2, 12, -1):
        with pytest.raises(IndexError):
            store.read(index)


def test_a_store_crosses_to_other_processes_without_its_contents(root, tmp_path):
    store = packed(wanted(root, tmp_path / "cache"))
    sent = pickle.dumps(store)
    assert len(sent) < store.bytes / 10
    require_equal(pickle.loads(sent).read(7), store.read(7))
    assert pickle.loads(sent).name_of(0) == str(root / "a" / "000.jpg")


def test_a_second_call_finds_the_store_and_reads_no_image(root, tmp_path, monkeypatch):
    packed(wanted(root, tmp_path / "cache"))
    want = wanted(root, tmp_path / "cache")
    monkeypatch.setattr(Folder, "read", lambda self, index: pytest.fail("decoded again"))
    assert len(packed(want)) == 12


def test_what_cannot_be_read_is_not_in_the_store(root, tmp_path):
    (root / "a" / "002.jpg").write_bytes(b"no image")
    want = wanted(root, tmp_path / "cache")
    store = packed(want)
    assert len(store) == 11
    assert [Path(store.name_of(int(index))).name for index in want.indices] == sorted(
        (path.name for path in root.rglob("*.jpg") if path.name != "002.jpg"),
        key=lambda name: (int(name[:3]) % 2, name),
    )


def test_other_files_another_order_and_another_size_are_other_stores(root, tmp_path):
    cache = tmp_path / "cache"
    folders = {wanted(root, cache).folder, wanted(root, cache, WorkingSize(32)).folder}
    folders |= {wanted(root, cache, WorkingSize(32, square=True)).folder, wanted(root, cache, indices=[0, 1]).folder}
    moved = shutil.copytree(root, tmp_path / "elsewhere")
    assert wanted(moved, cache).folder in folders
    photographs(moved / "more")
    (moved / "a" / "000.jpg").rename(moved / "a" / "999.jpg")
    folders.add(wanted(moved, cache).folder)
    assert len(folders) == 5


def test_a_source_of_ones_own_whose_code_changes_has_another_store(root, tmp_path, monkeypatch):
    """A class of a package that `allowed_packages` names, and one derived from it elsewhere."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    code = tmp_path / "own_sources.py"
    code.write_text("from src.data.sources.folder import Folder\nclass Own(Folder): pass\n")
    own = importlib.import_module("own_sources")

    class Further(own.Own):
        pass

    rules = {choice._rules(own.Own), choice._rules(Further)}
    code.write_text(code.read_text() + "# another way to decode\n")
    rules |= {choice._rules(own.Own), choice._rules(Further)}
    assert len(rules) == 4
    monkeypatch.delitem(sys.modules, "own_sources")


def test_another_decoder_makes_another_store(monkeypatch):
    usual = choice._rules(Folder)
    for name in ("opencv-python-headless", "pillow", "tifffile", "numpy"):
        with monkeypatch.context() as patch:
            patch.setattr(choice, "version", lambda asked, name=name: "0" if asked == name else version(asked))
            assert choice._rules(Folder) != usual, name


@pytest.mark.parametrize(
    ("key", "value"), [("digest", "0" * 32), ("working_size", 64), ("format", 0), ("source", "Csv"), ("channels", 1)]
)
def test_a_store_of_something_else_is_refused(root, tmp_path, key, value):
    want = wanted(root, tmp_path / "cache")
    packed(want)
    manifest = json.loads((want.folder / MANIFEST).read_text())
    manifest["belongs_to"][key] = value
    (want.folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(Unfit, match=f"its {key} is {value!r}, not .* rm -r {want.folder}"):
        packed(want)


@pytest.mark.parametrize("name", ["images.u8", "index.npy", "label.npy", MANIFEST])
def test_a_damaged_store_is_refused(root, tmp_path, name):
    want = wanted(root, tmp_path / "cache")
    packed(want)
    with (want.folder / name).open("rb+") as file:
        file.truncate(100)
    with pytest.raises(Unfit, match=r"rm -r"):
        packed(want)


def test_auto_goes_on_without_a_store_that_it_cannot_use(root, tmp_path, caplog):
    want = wanted(root, tmp_path / "cache")
    packed(want)
    (want.folder / "images.u8").unlink()
    with caplog.at_level(logging.INFO):
        assert isinstance(automatic(want, GIGANTIC, for_training=True, subset=None), Files)
    assert "rm -r" in caplog.text


def test_auto_goes_on_where_no_store_can_be_made(root, tmp_path, caplog):
    want = wanted(root, tmp_path / "cache")
    (tmp_path / "cache" / "packed").write_text("in the way")
    with caplog.at_level(logging.INFO):
        assert isinstance(automatic(want, GIGANTIC, for_training=True, subset=None), Files)
    assert "cannot be written" in caplog.text
    with pytest.raises(UserError, match=r"data\.cache_dir"):
        packed(want)


def test_auto_says_what_it_does_and_why(root, tmp_path, caplog):
    want = wanted(root, tmp_path / "cache")

    def told(budget=GIGANTIC, for_training=True, subset=None):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            medium = automatic(want, budget, for_training=for_training, subset=subset)
        return type(medium), caplog.text

    kind, text = told(subset="data.limit=20")
    assert kind is Files
    assert "data.limit=20" in text
    assert "read once" in told(for_training=False)[1]
    tight = want.bytes(WorkingSize(32)) / choice.GIB
    kind, text = told(budget=tight * 1.01)
    assert kind is Files
    assert "data.working_size=32 would make them fit" in text
    assert told()[0] is Packed
    assert told(for_training=False, subset="data.limit=20", budget=0)[0] is Packed  # it is there


def test_a_disk_without_room_is_told_before_packing(root, tmp_path, monkeypatch, caplog):
    want = wanted(root, tmp_path / "cache")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(choice.shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(UserError, match=r"1\.0 MiB left.*data\.cache_dir=FOLDER.*data\.store=files"):
        packed(want)
    with caplog.at_level(logging.INFO):
        assert isinstance(automatic(want, GIGANTIC, for_training=True, subset=None), Files)
    assert "would not fit" in caplog.text


def test_a_disk_has_to_hold_only_what_is_missing(root, tmp_path, monkeypatch):
    """Two of three pieces are there; there is room for the third and what is spared, not for all of them."""
    monkeypatch.setattr(packing, "_PIECE_SAMPLES", 4)
    want = wanted(root, tmp_path / "cache")
    killed(monkeypatch, want, flushed=2)
    there = (want.folder.with_suffix(".part") / "images.u8").stat().st_size
    usage = shutil.disk_usage(tmp_path)
    free = int(want.bytes() - there) + choice._SPARE
    monkeypatch.setattr(choice.shutil, "disk_usage", lambda _: usage._replace(free=free - 1))
    with pytest.raises(UserError, match=r"would not fit"):
        packed(want)
    monkeypatch.setattr(choice.shutil, "disk_usage", lambda _: usage._replace(free=free + 1))
    require_whole(want)


def test_a_disk_that_runs_full_is_told_and_packing_goes_on_later(root, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_PIECE_SAMPLES", 4)
    want = wanted(root, tmp_path / "cache")
    flush, count = packing._flush, 0

    def full(what):
        nonlocal count
        count += 1
        if count == 2:
            raise OSError(28, "No space left on device")
        flush(what)

    with monkeypatch.context() as patch:
        patch.setattr(packing, "_flush", full)
        with pytest.raises(UserError, match=r"No space left on device.*goes on from there"):
            packed(want)
    read, seen = Folder.read, []
    monkeypatch.setattr(Folder, "read", lambda self, index: seen.append(index) or read(self, index))
    want = wanted(root, tmp_path / "cache")
    store = packed(want)
    assert set(range(4)) <= set(seen)  # to measure how much is needed
    assert [index for index in seen[12:] if index < 4] == []
    for index in range(12):
        require_equal(store.read(index), want.source.read(index))


SLOWLY = """
import time
from pathlib import Path
from src.data.media import packing
from src.data.media.choice import packed
from src.data.sources.folder import Folder
from tests.data.media.test_packed import wanted
packing._PIECE_SAMPLES = 4
read = Folder.read
Folder.read = lambda self, index: (time.sleep({pause}), read(self, index))[1]
print(len(packed(wanted(Path({root!r}), Path({cache!r})))))
"""


def in_a_process(root: Path, cache: Path, pause: float) -> subprocess.Popen[str]:
    program = SLOWLY.format(pause=pause, root=str(root), cache=str(cache))
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_killed_packing_goes_on_where_it_was(tmp_path, monkeypatch):
    root, cache = photographs(tmp_path / "photographs", 40), tmp_path / "cache"
    process = in_a_process(root, cache, 0.02)
    try:
        deadline = time.monotonic() + 60
        while len(list(cache.glob("packed/*.part/piece-*.npz"))) < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = 4 * len(list(cache.glob("packed/*.part/piece-*.npz")))
    assert 12 <= done < 40
    assert not list(cache.glob(f"packed/*/{MANIFEST}"))
    (images,) = cache.glob("packed/*.part/images.u8")
    with images.open("ab") as file:
        file.write(b"half of a piece that nothing vouches for")
    read, seen = Folder.read, []
    monkeypatch.setattr(Folder, "read", lambda self, index: seen.append(index) or read(self, index))
    monkeypatch.setattr(packing, "_PIECE_SAMPLES", 4)
    want = wanted(root, cache)
    want.bytes()  # which reads all 40 to know how much is needed
    seen.clear()
    store = packed(want)
    assert sorted(seen) == list(range(done, 40))
    for index in range(40):
        require_equal(store.read(index), read(want.source, index))


def killed(patch, want, flushed: int = 99, unlinked: int = 99) -> None:
    """Pack until so many files were flushed, or so many pieces removed: then nothing more is done."""
    flush, unlink, done = packing._flush, Path.unlink, {"flush": 0, "unlink": 0}

    def count(what, most):
        done[what] += 1
        if done[what] > most:
            raise KeyboardInterrupt

    def counted_flush(file):
        count("flush", flushed)
        flush(file)

    def counted_unlink(path, missing_ok=False):
        if path.name.startswith("piece-"):
            count("unlink", unlinked)
        unlink(path, missing_ok=missing_ok)

    with patch.context() as now, contextlib.suppress(KeyboardInterrupt):
        now.setattr(packing, "_flush", counted_flush)
        now.setattr(Path, "unlink", counted_unlink)
        packed(want)


def require_whole(want) -> None:
    store = packed(want)
    for index in range(12):
        require_equal(store.read(index), want.source.read(index))
    assert not list(store.folder.glob("p*"))  # pieces and plan


@pytest.mark.parametrize("removed", [0, 1, 2, 3])
def test_packing_that_is_killed_while_it_tidies_up_and_again_makes_a_whole_store(root, tmp_path, monkeypatch, removed):
    monkeypatch.setattr(packing, "_PIECE_SAMPLES", 4)
    want = wanted(root, tmp_path / "cache")
    killed(monkeypatch, want, unlinked=removed)
    killed(monkeypatch, want, flushed=1)
    require_whole(want)


@pytest.mark.parametrize("lost", ["piece-000000.npz", "piece-000001.npz", "images.u8", "half of the images"])
def test_pieces_after_a_gap_or_without_their_pixels_are_made_again(root, tmp_path, monkeypatch, lost):
    monkeypatch.setattr(packing, "_PIECE_SAMPLES", 4)
    want = wanted(root, tmp_path / "cache")
    killed(monkeypatch, want, flushed=2)
    part = want.folder.with_suffix(".part")
    assert len(list(part.glob("piece-*.npz"))) == 2
    if lost == "half of the images":
        os.truncate(part / "images.u8", (part / "images.u8").stat().st_size // 3)
    else:
        (part / lost).unlink()
    killed(monkeypatch, want, flushed=1)
    require_whole(want)


def test_two_processes_at_once_pack_once(root, tmp_path):
    processes = [in_a_process(root, tmp_path / "cache", 0.01) for _ in range(2)]
    assert [process.communicate(timeout=120)[0].strip() for process in processes] == ["12", "12"]
    assert all(process.returncode == 0 for process in processes)
    assert len(list((tmp_path / "cache" / "packed").glob(f"*/{MANIFEST}"))) == 1
    assert not list((tmp_path / "cache" / "packed").glob("*.part"))
