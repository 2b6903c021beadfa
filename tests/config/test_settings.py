"""What of a configuration a result depends on."""

from __future__ import annotations

from src.config.settings import settings, settings_digest

CONFIG = {
    "seed": 1, "run_dir": "runs/a", "name": "first", "tags": ["x"], "resume": None,
    "data": {"root": "/data", "cache_dir": "~/.cache", "num_workers": 2, "batch_size": 8, "source": {"root": "/data"}},
    "logger": {"csv": {"name": "log"}}, "model": {"source": "/runs/faces", "files": ["/a/b.csv", "c.csv"]},
}  # fmt: skip


def test_places_names_and_who_watches_are_no_settings():
    assert settings(CONFIG) == {
        "seed": 1, "data.batch_size": 8, "model.source": "…/faces", "model.files": ["…/b.csv", "c.csv"],
    }  # fmt: skip


def test_the_digest_is_that_of_the_settings():
    moved = CONFIG | {"run_dir": "elsewhere", "name": None, "model": CONFIG["model"] | {"source": "/other/faces"}}
    assert settings_digest(moved) == settings_digest(dict(reversed(CONFIG.items())))
    assert settings_digest(CONFIG | {"seed": 2}) != settings_digest(CONFIG)
