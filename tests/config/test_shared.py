"""What is composed once for many command lines is what each would have composed alone."""

from __future__ import annotations

import pytest

from src.config import saved
from src.config.assess import assess
from src.config.groups import Groups
from src.config.shared import SharedChoices

LINES = (
    ["optimizer.lr=0.1", "seed=1"],
    ["optimizer.lr=0.2", "seed=1", "data.image_size=64", "network.stem=cifar"],
    ["model=vgg19", "optimizer.lr=0.2"],
    ["optimizer=adamw", "optimizer.betas=[0.9,0.99]", "model=vgg19"],
    ["callbacks=[default,ema]", "callbacks.ema.decay=0.9"],
    ["callbacks=[default,ema]", "callbacks.ema.decay=0.99", "~callbacks.finite"],
    ["experiment=imagenette_quick", "data.root=/somewhere", "name='a, b'"],
    ["debug=null", "optimizer._target_=torch.optim.NAdam", "optimizer={lr: 0.3}"],
    ["optimizer.lr=0.1", "seed=1"],
    ["optimizer.lrr=0.1", "optimizer.lr=x", "seed.a=1"],
    ["model=resnt", "optimizer.lr=-1"],
    ["data=folder", "data.root=???"],
)


@pytest.fixture(scope="module")
def shared() -> SharedChoices:
    return SharedChoices()


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_sharing_choices_changes_neither_configuration_nor_complaints(shared, line):
    alone, together = assess("train", line, Groups()), assess("train", line, Groups(), compose=shared.compose)
    assert [str(problem) for problem in together.problems] == [str(problem) for problem in alone.problems]
    assert together.composed.config == alone.composed.config
    assert together.composed.choices == alone.composed.choices
    if not alone.problems:
        assert saved.plain(together.composed.config) == saved.plain(alone.composed.config)


def test_points_with_equal_choices_are_composed_once(monkeypatch):
    from src.config import shared

    composed = []
    original = shared.compose_leniently
    monkeypatch.setattr(shared, "compose_leniently", lambda *given: composed.append(given) or original(*given))
    choices = SharedChoices()
    for model in ("resnet", "vgg19"):
        for rate in ("0.1", "0.2", "0.3"):
            assess("train", [f"model={model}", f"optimizer.lr={rate}"], Groups(), compose=choices.compose)
    assert len(composed) == 2
