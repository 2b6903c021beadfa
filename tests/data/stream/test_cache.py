"""Copies of chunks stay below their bound, whoever reads and however it ends."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time

import pytest
from filelock import FileLock

from src.data.stream.cache import ChunkCache
from src.errors import UserError

SIZE = 1000


def writer(number):
    return lambda file: file.write(bytes([number]) * SIZE)


def kept(cache):
    return {path.name for path in cache.root.rglob("*.bin")}


def total(cache):
    sizes = []
    for path in cache.root.rglob("*.bin*"):
        try:
            sizes.append(0 if path.suffix == ".lock" else path.stat().st_size)
        except FileNotFoundError:
            continue
    return sum(sizes)


def read(cache, number):
    with cache.open(f"{number}.bin", SIZE, writer(number)) as file:
        return file.read()


def test_a_chunk_is_fetched_once(tmp_path):
    cache, fetched = ChunkCache(tmp_path, "a" * 32, 10 * SIZE), []
    for _ in range(3):
        with cache.open("0.bin", SIZE, lambda file: (fetched.append(1), file.write(b"x" * SIZE))) as file:
            assert file.read() == b"x" * SIZE
    assert fetched == [1]


def test_what_was_used_longest_ago_goes_first(tmp_path):
    cache = ChunkCache(tmp_path, "a" * 32, 3 * SIZE)
    for number in (0, 1, 2, 0, 3):  # 0 is used again, so 1 has been used longest ago
        read(cache, number)
        time.sleep(0.01)
    assert kept(cache) == {"0.bin", "2.bin", "3.bin"}


def test_the_bound_is_for_all_streams_together(tmp_path):
    first, second = (ChunkCache(tmp_path, digest * 32, 3 * SIZE) for digest in "ab")
    for number in range(3):
        read(first, number)
        read(second, number)
    assert total(first) == 3 * SIZE


def test_a_chunk_that_is_removed_while_it_is_read_is_read_to_its_end(tmp_path):
    cache = ChunkCache(tmp_path, "a" * 32, SIZE)
    with cache.open("0.bin", SIZE, writer(0)) as file:
        read(cache, 1)
        assert kept(cache) == {"1.bin"}
        assert file.read() == bytes(SIZE)


def test_what_a_killed_process_has_begun_is_removed_and_what_a_living_one_fetches_is_not(tmp_path):
    cache = ChunkCache(tmp_path, "a" * 32, 2 * SIZE)
    read(cache, 0)
    (cache.folder / "7.bin.part").write_bytes(bytes(SIZE))  # nobody holds its lock
    read(cache, 1)
    read(cache, 2)
    assert not list(cache.root.rglob("*.part"))
    began, go_on = threading.Event(), threading.Event()

    def slow(file):
        began.set()
        go_on.wait(10)
        file.write(bytes([9]) * SIZE)

    fetching = threading.Thread(target=lambda: cache.open("9.bin", SIZE, slow).close())
    fetching.start()
    began.wait(10)
    read(cache, 3)
    assert total(cache) <= 2 * SIZE
    go_on.set()
    fetching.join()
    assert read(cache, 9) == bytes([9]) * SIZE


def test_a_failed_fetch_leaves_nothing(tmp_path):
    cache = ChunkCache(tmp_path, "a" * 32, 2 * SIZE)

    def fails(file):
        file.write(b"half")
        raise UserError("no answer")

    with pytest.raises(UserError, match="no answer"):
        cache.open("0.bin", SIZE, fails)
    assert total(cache) == 0
    assert read(cache, 0) == bytes(SIZE)


def test_a_bound_below_one_chunk_says_what_to_type(tmp_path):
    with pytest.raises(
        UserError, match=r"data\.stream_cache=\S+ GiB is less than one chunk .* type data\.stream_cache="
    ):
        ChunkCache(tmp_path, "a" * 32, SIZE - 1).open("0.bin", SIZE, writer(0))


def _reads(cache, seed):
    for number in random.Random(seed).choices(range(20), k=150):
        if read(cache, number) != bytes([number]) * SIZE:
            raise ValueError(number)


def test_processes_that_read_at_random_share_the_bound(tmp_path):
    cache = ChunkCache(tmp_path, "a" * 32, 5 * SIZE)
    readers = [multiprocessing.get_context("fork").Process(target=_reads, args=(cache, seed)) for seed in range(3)]
    cache.root.mkdir()
    for reader in readers:
        reader.start()
    largest = 0
    while any(reader.is_alive() for reader in readers):
        with FileLock(cache.root / ".lock"):  # no room is given away while we count
            largest = max(largest, total(cache))
        time.sleep(0.001)
    assert [reader.exitcode for reader in readers] == [0, 0, 0]
    assert 0 < largest <= 5 * SIZE
