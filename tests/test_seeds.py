"""Streams of random numbers are told apart by seed and name, and never change."""

import hashlib

from src import seeds


def test_a_stream_is_the_hash_of_its_name():
    digest = hashlib.blake2b(b"7/shuffle/3", digest_size=8).digest()
    assert seeds.stream(7, "shuffle", 3) == int.from_bytes(digest, "little") >> 1


def test_streams_do_not_meet():
    names = [("init",), ("shuffle", 0), ("shuffle", 1), ("augment",)]
    assert len({seeds.stream(seed, *name) for seed in range(50) for name in names}) == 200


def test_a_generator_begins_at_the_start_of_its_stream():
    first = seeds.generator(1, "shuffle").random(3)
    seeds.generator(1, "other").random(100)
    assert (seeds.generator(1, "shuffle").random(3) == first).all()
