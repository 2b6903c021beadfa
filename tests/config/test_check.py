"""The check itself: types, ranges, targets, sections without one, where each mistake came from."""

import pytest

from src.config.assess import assess
from src.config.composed import Composed
from src.config.groups import CONF, Groups
from tests.config.conftest import lines_of, problems_of


def the_problem(*overrides: str, **kinds) -> str:
    lines = lines_of(problems_of(*overrides, **kinds))
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=-1", "must be at least 0, not -1"),
        ("seed=1.5", "must be a whole number at least 0, not 1.5"),
        ("seed=true", "must be a whole number at least 0, not true"),
        ("test=1", "must be true or false, not 1"),
        ("name=7", "as text: \"'7'\""),
        ("tags=a", "must be a list with text in each place"),
        ("threads=atuo", "did you mean auto?"),
        ("optimizer.lr=-0.1", "must be at least 0, not -0.1"),
        ("optimizer.momentum=1.5", "must be at least 0 and at most 1, not 1.5"),
        ("data.batch_size=0", "must be at least 1, not 0"),
        ("data.num_workers=many", "must be a whole number at least 0 or auto"),
        ("data.val_fraction=1", "less than 1, not 1"),
        ("data.normalize=imagnet", "did you mean imagenet?"),
        ("data.normalize={mean:[a]}", "entry 0 must be a number"),
        ("data.source=null", "must be a section with `_target_`"),
        ("augment.crop_scale=[0.5]", "must be a list of 2, not of 1"),
        ("model.label_smoothing=1", "must be at least 0 and less than 1, not 1"),
        ("trainer.max_epochs=-2", "must be at least -1, not -2"),
        ("trainer.devices=0", "must be at least 1, not 0"),
        ("trainer.limit_val_batches=1.5", "must be at least 0 and at most 1, not 1.5"),
        ("trainer.precision=bf16-mxed", "did you mean bf16-mixed?"),
        ("trainer.accelerator=gpuu", "did you mean gpu?"),
        ("trainer.strategy=dpp", "did you mean ddp?"),
        ("trainer.logger=false", "is given by the program | type logger=..."),
        ("data.seed=3", "is given by the program | type seed=..."),
        ("network.num_classes=3", "is given by the program"),
        ("data.size=3", "did you mean data.source.size or image_size?"),
        ("lr=0.1", "did you mean optimizer.lr?"),
        ("epochs=3", "did you mean trainer.max_epochs?"),
        ("network.variant=b1", "network=efficientnet"),
        ("callbacks.ema.decay=0.9", "callbacks=[default,ema] brings it"),
        ("callbacks.bets.mode=max", "did you mean best?"),
        ("logger.mine.project=x", "has no `_target_`"),
        ("augment.transforms.blur.p=0.5", "has no `_target_`"),
        ("model.monitor=${modl.x}", "refers to modl.x, which is not there"),
        ("~callbacks.bets", "there is nothing to remove"),
        ("model=null", "is missing | type model=..."),
        ("scheduler=null", "is missing | type scheduler=..."),
        ("model=resnet,vgg19", "add -m"),
        ("name=a(b", "cannot be read"),
        ("seed", "has no value | type seed=VALUE"),
        ("hydra.sweep.dri=x", "hydra.sweep.dri"),
    ],
)
def test_mistake_on_the_command_line_is_refused(override, message):
    found = lines_of(problems_of(override))
    assert any(line.startswith("command line | ") and message in line for line in found), found


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer=adamw", "optimizer.betas=[0.9,0.99]"],
        ["optimizer.lr=1", "threads=2", "tags=[a,b]", "name=first"],
        ["trainer.limit_val_batches=5", "trainer.limit_train_batches=0.1", "trainer.devices=-1"],
        ["data.normalize={mean:[0.5],std:[1]}", "data.image_size=64", "data.limit=10"],
        ["augment=strong", "augment.transforms.color=null"],
        ["callbacks.best=null", "~callbacks.last"],
        ["+experiment=imagenette_quick", "++seed=3"],
        ["debug=nan"],
        ["model=squeezenet", "network.version=1.1"],
        ["model={label_smoothing: 0.1}"],
        ["experiment=null", "data.root=${runs_dir}"],
        ["network=resnet50", "callbacks=[default,ema]"],
    ],
    ids=str,
)
def test_right_configuration_has_no_problem(overrides):
    assert lines_of(problems_of(*overrides)) == []


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("torch.hub.load", "outside the packages that may be built"),
        ("os.system", "outside the packages that may be built"),
        ("pytorch_lightning.trainer.trainer.os.system", "is os's"),
        ("torch.nn.functional.torch.hub.load", "is torch.hub's"),
        ("src.config.cache.json.loads", "is json's"),
        ("pytorch_lightning.LightningModule.load_from_checkpoint", "there is no class or function"),
        ("torch.nn.Linaer", "did you mean torch.nn.Linear?"),
        ("src.data.modul.ImageData", "did you mean src.data.module.ImageData?"),
        ("src.seeds", "there is no class or function src.seeds"),
        ("src.config.schema.ALLOWED", "there is no class or function"),
    ],
)
def test_target_that_may_not_or_cannot_be_built_is_refused(target, message):
    assert message in the_problem(f"data._target_={target}")


def test_users_package_is_built_when_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "mynets.py").write_text("def net(*, width: int, num_classes, in_channels, image_size): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    overrides = ["~network", "network={_target_: mynets.net, width: 3}"]
    assert "allowed_packages" in the_problem(*overrides)
    assert lines_of(problems_of(*overrides, "allowed_packages=[mynets]")) == []
    assert "must be a whole number" in the_problem(*overrides[:1], "network={_target_: mynets.net, width: x}",
                                                   "allowed_packages=[mynets]")  # fmt: skip
    assert "torch.hub" in the_problem("network._target_=torch.hub.load", "allowed_packages=[torch]")


def test_all_sections_of_an_experiment_are_checked_with_their_lines(own_folder):
    folder = own_folder(
        "experiment/mine",
        "# @package _global_\n"
        "defaults:\n  - override /augment: strong\n  - override /callbacks: [default, emma]\n"
        "augment:\n  transforms:\n    blur: {sigma_limt: 3}\n    fog: {_target_: albumentations.RandomFogg}\n"
        "callbacks:\n  mine: {patience: 3}\n"
        "logger:\n  mine: {project: x}\n"
        "data: {source: {sze: 3}}\n",
    )
    found = {p.where.rpartition(":")[2]: p for p in problems_of("experiment=mine", folders=(CONF, folder))}
    assert found["4"].key == "callbacks: emma"
    assert "did you mean ema?" in found["4"].suggestion
    assert found["7"].key == "augment.transforms.blur.sigma_limt"
    assert "sigma_limit" in found["7"].suggestion
    assert "did you mean albumentations.RandomFog?" in found["8"].suggestion
    assert found["10"].what == found["12"].what == "has no `_target_`"
    assert found["13"].key == "data.source.sze"
    assert len(found) == 6


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("trainer:\n  max_epochs: 3\n  max_epochs: 4\n", 4, "found duplicate key max_epochs"),
        ("trainer:\n\tmax_epochs: 3\n", 3, "not valid YAML"),
        ("trainer:\n  max_epochs: 3\n foo: [1\n", 4, "not valid YAML"),
        ("data:\n  root: ${foo\n", None, "cannot be used"),
        ("trainer: [1, 2]\n", None, "Cannot merge"),
        ("defaults:\n  - override /modle: resnet\ntrainer: {max_epochs: 3}\n", 3, "did you mean model?"),
        ("defaults:\n  - override /model: resnt\n", 3, "did you mean resnet?"),
        ("defaults:\n  - optimizer: adam\n", 3, "write `override /optimizer: adam`"),
        ("data: {root: '${nothing.here}'}\n", 2, "refers to nothing.here"),
    ],
)
def test_broken_file_is_named_with_its_line(own_folder, text, line, message):
    folder = own_folder("experiment/mine", f"# @package _global_\n{text}")
    found = the_problem("experiment=mine", folders=(CONF, folder))
    assert found.startswith(f"{folder}/experiment/mine.yaml" + (f":{line} " if line else " ")), found
    assert message in found


def test_file_that_cannot_be_used_does_not_hide_other_mistakes(own_folder):
    folder = own_folder("experiment/mine", "# @package _global_\ntrainer: [1\n")
    found = lines_of(problems_of("experiment=mine", "seed=x", "model=vgg", folders=(CONF, folder)))
    assert len(found) == 3
    assert any("vgg19" in line for line in found)
    assert any("seed=x" in line for line in found)


def test_forgotten_package_line_is_named(own_folder):
    folder = own_folder("experiment/mine", "trainer:\n  max_epochs: 3\n")
    assert "make `# @package _global_` the file's first line" in the_problem("experiment=mine", folders=(CONF, folder))


def test_own_file_with_the_name_of_ours_is_not_silently_ignored(own_folder):
    folder = own_folder("experiment/imagenette_quick", "# @package _global_\nseed: 3\n")
    assert "is used instead" in the_problem("experiment=imagenette_quick", folders=(CONF, folder))


def test_one_key_given_two_values_is_refused():
    assert "given twice, also as seed=1" in the_problem("seed=1", "seed=2")
    assert lines_of(problems_of("seed=1", "seed=1")) == []


def test_unknown_choice_without_a_near_one_does_not_blame_its_keys():
    assert "no such model | there are: alexnet" in the_problem("model=foo", "network.width=3", "model.depth=3")


def test_each_name_of_a_sweep_is_checked():
    found = assess("train", ["model=resnet,vgg91", "optimizer.lr=0.1,0.01"], Groups(), multirun=True)
    assert lines_of(found.problems) == [
        f"command line | model=vgg91 | no such model | did you mean vgg19? ({', '.join(Groups().choices('model'))})"
    ]
    assert found.hydra_overrides == ["model=resnet,vgg91", "++optimizer.lr=0.1,0.01"]


def test_saved_configuration_is_checked_like_a_new_one():
    from omegaconf import OmegaConf

    from src.config.check import problems

    fresh = assess("train", ["model=vgg19"], Groups()).composed
    assert fresh is not None
    OmegaConf.update(fresh.config, "data.batch_size", 0, force_add=True)
    OmegaConf.update(fresh.config, "optimizer.lrr", 1, force_add=True)
    saved = Composed(fresh.config, ("data.batch_size=0",), fresh.choices, fallback="runs/a/compose.yaml")
    assert lines_of(problems(saved)) == [
        "command line | data.batch_size=0 | must be at least 1, not 0 | ",
        "runs/a/compose.yaml | optimizer.lrr | unknown | did you mean lr?",
    ]


def test_overrides_for_a_saved_run_are_kept_apart():
    found = assess("evaluate", ["run=runs/a", "split=val", "data.root=/x", "data=imagenette", "data.limit=5"], Groups())
    assert found.problems == []
    assert found.composed is not None
    assert found.composed.overrides == ("run=runs/a", "split=val")
    assert found.composed.for_the_run == ("data.root=/x", "data=imagenette", "data.limit=5")
    continued = assess("train", ["resume=runs/a", "trainer.max_epochs=9"], Groups()).composed
    assert continued is not None
    assert continued.for_the_run == ("trainer.max_epochs=9",)


def test_names_of_lightnings_strategies_and_accelerators_are_up_to_date():
    from pytorch_lightning.accelerators import AcceleratorRegistry
    from pytorch_lightning.strategies import StrategyRegistry

    from src.config.signatures import signature

    known = signature("src.config.arguments.TrainerArguments").parameters
    assert set(known["strategy"].type.values) == {"auto", *StrategyRegistry.available_strategies()}
    assert set(known["accelerator"].type.values) == {"auto", "gpu", *AcceleratorRegistry.available_accelerators()}


def test_plain_sections_have_a_closed_set_of_keys():
    assert the_problem("sweep.retrry=failed") == "command line | sweep.retrry=failed | unknown | did you mean retry?"
    assert "must be at least 1" in the_problem("sweep.jobs=0")
    assert "did you mean seed?" in the_problem("search=tpe", "search.sampler.sed=1")
