"""A stream gives the batches that the files give, from a folder and from a bucket; every failure has its message."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import cv2
import litdata
import numpy as np
import pytest
import torch
from litdata.streaming.writer import BinaryWriter

from src.config.command import compose
from src.data.decode import decode
from src.data.module import ImageData
from src.data.stream import cache as kept
from src.data.stream import writing
from src.data.stream.index import CHUNKS, FACTS, SAMPLES, digest_of, from_bytes, to_bytes
from src.data.stream.prepare import prepare_stream
from src.errors import UserError
from src.runs.training import open_data
from tests.prove.promise import ROOT
from tests.training import on_top

USUAL = ("model=lenet", "logger=none", "data.num_workers=0", "augment=light")
PHOTOS = ("data=folder", "data.image_size=32", "data.batch_size=8")
DRAWN = ("data=shapes", "data.source.size=32", "data.source.train=100", "data.source.val=20", "data.source.test=20",
         "data.source.max_objects=3", "data.batch_size=8")  # fmt: skip
CHUNK = 0.02  # MiB: several chunks of the few samples here


def data_of(*overrides: str) -> ImageData:
    from src.config import saved

    composed = compose("train", on_top(USUAL, overrides))
    return open_data(saved.plain(composed.config))


def write(url: str, *overrides: str, chunk: float = CHUNK, overwrite: bool = False) -> str:
    *_, there = prepare_stream(
        data_of("data.store=stream", f"data.stream={url}", *overrides), chunk=chunk, overwrite=overwrite
    )
    return there


def streamed(url: str, *overrides: str) -> ImageData:
    return data_of("data.store=stream", f"data.stream={url}", *overrides)


@pytest.fixture
def photos(tmp_path) -> Path:
    """Photographs of two classes, in sizes of their own, below `tmp_path/photos`."""
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(40):
            height, width = random.integers(33, 60, 2)
            cv2.imwrite(str(folder / f"{number}.jpg"), random.integers(0, 256, (height, width, 3), np.uint8))
    return tmp_path / "photos"


def same(one, other) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def batches(data: ImageData, epochs: int = 2) -> list:
    found = []
    loader = data.train_dataloader()
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        found += list(loader)
    return found + list(data.eval_dataloader("val")) + list(data.eval_dataloader("test"))


def assert_equal_batches(here: ImageData, there: ImageData) -> None:
    assert here.open() == there.open()  # classes, counts, statistics, digest
    assert all(np.array_equal(here.splits[name], there.splits[name]) for name in here.splits)
    assert here.name_of(3) == there.name_of(3)
    assert same(batches(here), batches(there))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("window", ["null", "32"])
def test_a_folder_of_chunks_gives_the_batches_of_the_files(photos, tmp_path, workers, window):
    settings = (*PHOTOS, f"data.root={photos}", f"data.shuffle_window={window}")
    write(f"{tmp_path}/stream", *settings)
    here = data_of(*settings, "data.store=files")
    assert_equal_batches(here, streamed(f"{tmp_path}/stream", *settings, f"data.num_workers={workers}"))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bucket_gives_every_target_of_the_files_and_the_copies_stay_below_their_bound(bucket, tmp_path, workers):
    url = write(f"{bucket}/a/shapes", *DRAWN)
    chunks = json.loads(_object(url, "index.json"))["chunks"]
    assert len(chunks) > 10
    bound = 5 * max(chunk["chunk_bytes"] for chunk in chunks)
    settings = (*DRAWN, "data.shuffle_window=null")
    here = data_of(*settings, "data.store=files")
    there = streamed(
        url,
        *settings,
        f"data.num_workers={workers}",
        f"data.cache_dir={tmp_path}/cache",
        f"data.stream_cache={bound / 2**30}",
    )
    there._require_room = lambda: None  # whole permutations with copies of a part: slow, and equal all the same
    assert_equal_batches(here, there)
    copies = [path.stat().st_size for path in (tmp_path / "cache" / kept.FOLDER).rglob("*.bin")]
    assert 0 < sum(copies) <= bound


def test_working_sizes_are_obeyed_as_files_obey_them(photos, tmp_path):
    write(f"{tmp_path}/stream", *PHOTOS, f"data.root={photos}")
    settings = (*PHOTOS, f"data.root={photos}", "data.working_size=16", "data.image_size=16")
    assert_equal_batches(data_of(*settings, "data.store=files"), streamed(f"{tmp_path}/stream", *settings))


def test_the_files_are_not_needed_any_more(photos, tmp_path):
    settings = (*PHOTOS, f"data.root={photos}")
    url = write(f"{tmp_path}/stream", *settings)
    here = data_of(*settings, "data.store=files")
    here.open()
    expected = batches(here)
    shutil.rmtree(photos)
    there = streamed(url, *settings, f"data.cache_dir={tmp_path}/empty")
    assert there.open().digest == here.spec.digest
    assert same(batches(there), expected)


def test_litdata_itself_reads_the_chunks(photos, tmp_path):
    url = write(f"{tmp_path}/stream", *PHOTOS, f"data.root={photos}")
    read = litdata.StreamingDataset(url)
    assert len(read) == 80
    found = {decode(bytes(item["image"]), 3).tobytes() for item in (read[number] for number in range(80))}
    assert found == {decode(path, 3).tobytes() for path in photos.rglob("*.jpg")}


def test_unreadable_samples_are_left_out_and_named(photos, tmp_path):
    broken = photos / "cat" / "7.jpg"
    broken.write_bytes(b"no image")
    settings = (*PHOTOS, f"data.root={photos}")
    with pytest.raises(UserError, match=r"1 samples cannot be read:\n  .*cat/7\.jpg is not an image"):
        write(f"{tmp_path}/stream", *settings)
    url = write(f"{tmp_path}/stream", *settings, "data.on_bad_sample=skip")
    with pytest.raises(UserError, match=r"1 sample cannot be read:\n.*7\.jpg"):
        streamed(url, *settings).open()
    here, there = (
        data_of(*settings, "data.on_bad_sample=skip", "data.store=files"),
        streamed(url, *settings, "data.on_bad_sample=skip"),
    )
    assert_equal_batches(here, there)
    assert here.left_out_lines() == there.left_out_lines()


# Writing


def test_what_is_there_is_not_written_again_and_something_else_not_replaced(photos, tmp_path):
    settings = (*PHOTOS, f"data.root={photos}")
    url = write(f"{tmp_path}/stream", *settings)
    before = {path: path.stat().st_mtime_ns for path in Path(url).iterdir()}
    write(url, *settings)
    assert {path: path.stat().st_mtime_ns for path in Path(url).iterdir()} == before
    with pytest.raises(
        UserError, match=r"another stream is there, of src\.data\.sources\.folder\.Folder; .*overwrite=true"
    ):
        write(url, *DRAWN)
    write(url, *DRAWN, overwrite=True)
    assert_equal_batches(data_of(*DRAWN, "data.store=files"), streamed(url, *DRAWN))
    assert {path.name for path in Path(url).iterdir()} == {
        "stream.json", "stream.npz", "index.json", *(chunk["filename"] for chunk in _index(url)["chunks"])
    }  # fmt: skip
    with pytest.raises(UserError, match="something else is there"):
        write(str(photos), *DRAWN)


def test_an_interrupted_writing_is_no_stream_and_goes_on_where_it_stopped(bucket, tmp_path, monkeypatch):
    from src.data.stream import location

    settings = (*DRAWN, f"data.cache_dir={tmp_path}/cache")
    url, upload = f"{bucket}/half", location.Bucket.upload

    def fails(place, name, path):
        if name == "chunk-0-5.bin":
            raise KeyboardInterrupt
        upload(place, name, path)

    with monkeypatch.context() as patch:
        patch.setattr(location.Bucket, "upload", fails)
        with pytest.raises(KeyboardInterrupt):
            write(url, *settings)
    with pytest.raises(UserError, match=r"unfinished: its writing was interrupted.*python -m src\.prepare"):
        streamed(url, *settings).open()
    with pytest.raises(UserError, match="an unfinished stream of other data"):
        write(url, *settings, "data.source.seed=1")
    done = {f"chunk-0-{path.stem}.bin" for path in (tmp_path / "cache" / "stream-writing").rglob("*.npz")}
    assert done
    when = _times(url, done)
    write(url, *settings)
    assert _times(url, done) == when
    assert_equal_batches(data_of(*settings, "data.store=files"), streamed(url, *settings))
    assert not [path for path in (tmp_path / "cache" / "stream-writing").rglob("*") if path.suffix != ".lock"]


# What goes wrong


def test_a_stream_of_other_settings_is_refused(tmp_path):
    url = write(f"{tmp_path}/stream", *DRAWN)
    with pytest.raises(UserError, match=r"is another data set: seed is 0 in the stream and 1 here"):
        streamed(url, *DRAWN, "data.source.seed=1").open()
    with pytest.raises(UserError, match=r"source is '.*Shapes' in the stream and '.*Folder' here"):
        streamed(url, *PHOTOS).open()


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_damaged_chunk_is_named_with_what_to_type(tmp_path, bucket, damage):
    for url in (f"{tmp_path}/stream", f"{bucket}/stream"):
        write(url, *DRAWN)
        _damage(url, damage)
        data = streamed(url, *DRAWN, f"data.cache_dir={tmp_path}/cache")
        data.open()
        with pytest.raises(UserError, match=r"data\.stream=\S+ chunk-0-2\.bin .*(overwrite=true|is not there)"):
            batches(data)


class Harmful:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_stream_whose_index_asks_for_pickle_runs_no_code(tmp_path):
    """All files are changed as whoever may write the stream can change them: every digest fits."""
    url = Path(write(f"{tmp_path}/stream", *DRAWN))
    writer = BinaryWriter(str(tmp_path / "other"), chunk_size=1000)
    for number in range(140):
        writer.add_item(number, {"image": Harmful(tmp_path / "harm")})
    writer.done()
    index = json.loads((tmp_path / "other" / f"0.{CHUNKS}").read_text())
    assert index["config"]["data_format"] == ["pickle"]
    _sign(url, index, tmp_path / "other" / "chunk-0-0.bin")
    with pytest.raises(UserError, match=r"index\.json says that samples are pickle.*overwrite=true"):
        batches_of(url)
    assert not (tmp_path / "harm").exists()


def test_a_stream_whose_index_names_a_function_runs_no_code(tmp_path, monkeypatch):
    """LitData's trees may name a module to import, and a function in it."""
    url = Path(write(f"{tmp_path}/stream", *DRAWN, chunk=10))
    (tmp_path / "harm.py").write_text("from pathlib import Path\nPath(__file__).with_suffix('.done').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    index = json.loads((url / CHUNKS).read_text())
    _, tree = json.loads(index["config"]["data_spec"])
    named = {"default_factory_module": "harm", "default_factory_name": "Path", "dict_context": tree["context"]}
    index["config"]["data_spec"] = json.dumps([1, tree | {"type": "collections.defaultdict", "context": named}])
    _sign(url, index)
    with pytest.raises(UserError, match=r"index\.json"):
        batches_of(url)
    assert not (tmp_path / "harm.done").exists()


def batches_of(url: Path) -> list:
    data = streamed(str(url), *DRAWN)
    data.open()
    return batches(data)


def _sign(url: Path, index: dict, chunk: Path | None = None) -> None:
    """Put another index, and chunk, in the place of a stream's own, and make the rest fit."""
    arrays = from_bytes((url / SAMPLES).read_bytes())
    if chunk is not None:
        shutil.copy(chunk, url)
        arrays["checks"] = writing._checks(chunk.read_bytes())
    (url / SAMPLES).write_bytes(to_bytes(arrays))
    (url / CHUNKS).write_text(json.dumps(index))
    facts = json.loads((url / FACTS).read_text())
    facts["digest"] = digest_of((url / SAMPLES).read_bytes(), (url / CHUNKS).read_bytes())
    (url / FACTS).write_text(json.dumps(facts))


def test_a_damaged_copy_is_fetched_again(tmp_path, bucket):
    url = write(f"{bucket}/stream", *DRAWN)
    settings = (*DRAWN, f"data.cache_dir={tmp_path}/cache")
    data = streamed(url, *settings)
    data.open()
    expected = batches(data)
    for copy in (tmp_path / "cache" / kept.FOLDER).rglob("*.bin"):
        copy.write_bytes(bytes(len(copy.read_bytes())))
    again = streamed(url, *settings)
    again.open()
    assert same(batches(again), expected)


def test_no_place_no_bucket_and_no_stream_have_their_messages(bucket, tmp_path):
    for place, message in {
        f"{tmp_path}/nowhere": r"nothing is there; write it with python -m src\.prepare",
        f"{bucket}/nowhere": r"nothing is there; write it with python -m src\.prepare",
        "s3://another-bucket/prefix": "there is no such bucket",
        bucket: "name a place within the bucket too",
        "gs://bucket/prefix": "streams are read from folders and from s3://BUCKET/PREFIX",
    }.items():
        with pytest.raises(UserError, match=rf"data\.stream={place}: .*{message}"):
            streamed(place, *DRAWN).open()


def test_no_credentials_and_no_server_end_soon_with_what_to_type(bucket, monkeypatch):
    url = f"{bucket}/stream"
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(UserError, match=r"no credentials .* set AWS_ACCESS_KEY_ID"):
            streamed(url, *DRAWN).open()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"no answer .* AWS_ENDPOINT_URL"):
        streamed(url, *DRAWN).open()


def test_refused_credentials_are_told_from_a_missing_stream(bucket, server):
    import requests

    requests.post(f"{server}/moto-api/reset-auth", data=b"0", timeout=10)  # from now on keys are checked
    try:
        with pytest.raises(UserError, match=r"refuses these credentials \(403\).* AWS_ACCESS_KEY_ID"):
            streamed(f"{bucket}/stream", *DRAWN).open()
    finally:
        requests.post(f"{server}/moto-api/reset-auth", data=b"inf", timeout=10)


def test_a_whole_permutation_of_more_than_is_kept_says_what_to_type(bucket, tmp_path):
    url = write(f"{bucket}/stream", *DRAWN, "data.source.train=400", chunk=0.01)
    sizes = [chunk["chunk_bytes"] for chunk in json.loads(_object(url, "index.json"))["chunks"]]
    settings = (
        *DRAWN,
        "data.source.train=400",
        f"data.cache_dir={tmp_path}/cache",
        f"data.stream_cache={50 * max(sizes) / 2**30}",
    )
    data = streamed(url, *settings)
    data.open()
    with pytest.raises(
        UserError,
        match=r"data\.shuffle_window=null needs more .* type data\.shuffle_window=\d+ .*or data\.stream_cache=",
    ) as error:
        data.train_dataloader()
    window = str(error.value).partition("type data.shuffle_window=")[2].split()[0]
    narrower = streamed(url, *settings, f"data.shuffle_window={window}")
    narrower.open()
    assert len(list(narrower.train_dataloader())) == 50


def test_a_window_fetches_each_chunk_about_once_an_epoch(bucket, tmp_path, monkeypatch):
    from src.data.stream.location import Bucket

    url = write(f"{bucket}/stream", *DRAWN, "data.source.train=600")
    chunks = json.loads(_object(url, "index.json"))["chunks"]
    bound = 70 * max(chunk["chunk_bytes"] for chunk in chunks)
    window = 16 * chunks[0]["chunk_size"]
    settings = (
        f"data.cache_dir={tmp_path}/cache",
        f"data.stream_cache={bound / 2**30}",
        f"data.shuffle_window={window}",
    )
    data = streamed(url, *DRAWN, "data.source.train=600", *settings)
    data.open()
    fetched, download = [], Bucket.download
    monkeypatch.setattr(
        Bucket, "download", lambda place, name, file: (fetched.append(name), download(place, name, file))
    )
    list(data.train_dataloader())
    assert len(set(fetched)) > 70
    assert len(fetched) < 1.3 * len(set(fetched))


def test_windows_are_refused_where_a_model_makes_its_batches_up_from_identities():
    with pytest.raises(UserError, match=r"identities: type data\.shuffle_window=null"):
        data_of("model=siamese", "data=shapes", "data.shuffle_window=64")


def test_a_stream_costs_only_those_who_read_one_and_leaves_nothing_outside_its_cache(tmp_path):
    """In a process of its own: LitData and boto3 are not imported with the data, and no home folder is written to."""
    url = write(f"{tmp_path}/stream", *DRAWN)
    typed = [*on_top(USUAL, DRAWN), "data.store=stream", f"data.stream={url}", f"data.cache_dir={tmp_path}/cache"]
    script = f"""
import sys
from src.config import saved
from src.config.command import compose
from src.runs.training import open_data
data = open_data(saved.plain(compose("train", {typed!r}).config))
assert not {{"litdata", "boto3", "botocore"}} & set(sys.modules)
data.open()
next(iter(data.train_dataloader()))
assert "litdata" in sys.modules
"""
    home = tmp_path / "home"
    home.mkdir()
    told = {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "MPLCONFIGDIR": str(tmp_path / "mpl")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ | told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in home.iterdir()} <= {".cache"}
    assert not list(home.rglob("chunk*"))


def _index(url: str) -> dict:
    return json.loads((Path(url) / "index.json").read_text())


def _object(url: str, name: str) -> bytes:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return boto3.client("s3").get_object(Bucket=bucket, Key=f"{prefix}/{name}")["Body"].read()


def _times(url: str, names: set[str]) -> list:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    found = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    return sorted((one["Key"], one["LastModified"]) for one in found if one["Key"].rpartition("/")[2] in names)


def _damage(url: str, how: str) -> None:
    name = "chunk-0-2.bin"
    if url.startswith("s3://"):
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        client, key = boto3.client("s3"), f"{prefix}/{name}"
        if how == "missing":
            client.delete_object(Bucket=bucket, Key=key)
        else:
            client.put_object(Bucket=bucket, Key=key, Body=_changed(_object(url, name), how))
        return
    path = Path(url) / name
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(_changed(path.read_bytes(), how))


def _changed(data: bytes, how: str) -> bytes:
    return data[: len(data) // 2] if how == "cut" else data[:-9] + bytes([data[-9] ^ 255]) + data[-8:]
