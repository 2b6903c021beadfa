"""Hydra's grammar for several values, as a grid takes it and as optuna does."""

from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from src.config.groups import Groups
from src.config.problems import ConfigurationError
from src.errors import UserError
from src.sweeps.grid import combinations
from src.sweeps.space import dimension


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("optimizer.lr=0.1,0.01", ("0.1", "0.01")),
        ("model=choice(resnet,vgg19)", ("resnet", "vgg19")),
        ("data.batch_size=range(16,64,16)", ("16", "32", "48")),
        ("optimizer.lr=range(0.5,2,0.5)", ("0.5", "1.0", "1.5")),
        ("pruner=glob(me*)", ("median",)),
        ("augment.mixup=sort(0.3,0.1)", ("0.1", "0.3")),
    ],
)
def test_a_grid_has_every_value_in_the_order_typed(text, values):
    assert dimension(text, Groups()).grid() == values


def test_a_grid_has_every_combination_the_last_key_fastest():
    points = combinations([dimension("a=1,2", Groups()), dimension("b=x,y", Groups())])
    assert [tuple(point.values()) for point in points] == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]


def test_an_interval_has_no_grid_and_says_what_to_type():
    with pytest.raises(UserError, match="search=random or search=tpe"):
        dimension("optimizer.lr=interval(0.1,1)", Groups()).grid()


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("lr=interval(0.001,1)", FloatDistribution(0.001, 1)),
        ("lr=tag(log,interval(0.001,1))", FloatDistribution(0.001, 1, log=True)),
        ("n=int(interval(1,8))", IntDistribution(1, 8)),
        ("n=tag(log,int(interval(1,64)))", IntDistribution(1, 64, log=True)),
        ("n=range(2,9,3)", IntDistribution(2, 8, step=3)),
        ("x=range(0.5,2,0.5)", FloatDistribution(0.5, 1.5, step=0.5)),
        ("x=choice(a,b)", CategoricalDistribution(("a", "b"))),
    ],
)
def test_optuna_draws_from_what_was_typed(text, distribution):
    assert dimension(text, Groups()).distribution() == distribution


def test_a_single_value_is_no_space():
    with pytest.raises(ConfigurationError, match="not a space"):
        dimension("optimizer.lr=0.1", Groups())


def test_numbers_are_written_so_that_they_read_back_exactly():
    lr, n = dimension("lr=interval(0.001,1)", Groups()), dimension("n=int(interval(1,8))", Groups())
    assert float(lr.written(0.1 + 0.2)) == 0.1 + 0.2
    assert n.written(3) == "3"
