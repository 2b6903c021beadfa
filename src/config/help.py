"""`--help` for people: commands, groups with their choices, the keys used most, examples; read from conf/ as text."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from src.config.groups import Groups, document
from src.config.schema import BROUGHT, COMMANDS, SAVED_RUN, SECTIONS, TRAINING

FIRST = ("train", "evaluate", "predict")
"""The commands that a reader should meet first; the others follow in the order of the alphabet."""

BESIDE = (
    ("python -m src.figures [NUMBER]", "A figure of the chapter, computed; without a number: which there are."),
    ("python -m pipelines.report RUN_DIR...", "One page over many runs."),
    ("dvc repro", "The pipeline: all experiments of params.yaml, as far as out of date."),
)
"""Commands that Hydra has no part in."""

MOST_USED = (
    *("seed", "data.root", "data.image_size", "data.batch_size", "data.num_workers", "data.working_size"),
    *("data.store", "data.store_budget", "optimizer.lr"),
    *("trainer.max_epochs", "trainer.precision", "model.source", "model.trainable"),
    *("name", "run_dir", "resume", "replay"),
)

EXAMPLES = {
    "train": (
        ("model=vgg19 data=imagenette data.root=datasets", "another network, another data set"),
        ("model=transfer model.source=runs/first data=folder data.root=photos", "new classes on what has been learned"),
        ("experiment=imagenette_quick", "settings that belong together"),
        ("data=folder data.root=photos trainer.max_epochs=20", "a folder per class of your own"),
        ("'callbacks=[default,early_stopping]' logger=csv", "several choices of one group"),
        ("debug=batch", "look at an augmented batch before training"),
        ("-m model=resnet,vgg19 optimizer.lr=0.1,0.01", "a sweep: every combination, a process each"),
        ("-m 'optimizer.lr=tag(log,interval(1e-4,1))' search=tpe pruner=median", "a search; again continues it"),
        ("resume=runs/latest", "go on where a run stopped"),
        ("replay=runs/latest", "run it again: does it come out identical, and if not, what differs?"),
        ("--config-dir my_conf experiment=mine", "files of your own, in my_conf/experiment/mine.yaml"),
        ("model=resnet --cfg job", "print the whole configuration and stop"),
    ),
    "evaluate": (
        ("run=runs/latest split=val", "another split"),
        ("run=runs/latest data.batch_size=256", "a key of the run's own configuration"),
    ),
    "predict": (
        ("run=runs/latest 'input=photos/*.jpg' output=predictions.json", "a glob; JSON"),
        ("run=runs/faces anchor=ann.jpg input=photos/", "a siamese run: is it the one in ann.jpg?"),
        ("run=runs/faces gallery=people/ input=photos/", "who in people/ is nearest?"),
    ),
    "prepare": (
        ("data=imagenette data.root=datasets", "downloaded where it is missing, read, and packed"),
        ("data=folder data.root=photos data.working_size=256", "photographs from a camera, at the size to work with"),
        ("data=folder data.root=photos data.store=stream data.stream=s3://bucket/x", "to train far from the files"),
    ),
    "explain": (
        ("run=runs/latest method=layers", "the names of the layers"),
        ("run=runs/latest method=gradcam input=photos/", "what speaks for the likeliest class"),
        ("run=runs/latest method=deconvnet split=test", "what excites channels most, and what of it they see"),
        ("run=runs/latest method=occlusion input=dog.jpg method.label=dog method.patch=16", "what covering takes away"),
        ("run=runs/faces method=occlusion anchor=ann.jpg input=ann2.jpg", "what makes two faces the same"),
        ("model=resnet network.weights=IMAGENET1K_V1 method=gradcam input=dog.jpg", "no run: published weights"),
        ("method=sobel input=house.jpg", "no network"),
        ("method --help", "the methods; method=occlusion --help shows the keys of one"),
    ),
}  # fmt: skip


def help_text(command: str, words: Sequence[str] = ()) -> str:
    """Return the help of a command; where `words` name groups, every choice of them, and of GROUP=CHOICE its file."""
    groups = Groups()
    width = min(120, shutil.get_terminal_size((100, 24)).columns)
    named = [word for word in words if groups.is_group(word)]
    words = [*words, *(f"{group}={word}" for word in words if "=" not in word for group in groups.with_choice(word))]
    files = [groups.file(word.replace("=", "/", 1)) for word in words if groups.is_group(word.partition("=")[0])]
    told = [f"{_as_typed(path)}\n{path.read_text(encoding='utf-8').strip()}" for path in files if path is not None]
    parts = [*(_choices(group, groups) for group in named), *told] or list(_overview(command, groups, width))
    return "\n\n".join(part for part in parts if part)


def _as_typed(path: Path) -> str:
    """Return how a choice's file is chosen, as a heading of its text."""
    return f"{path.parent.name}={path.stem}"


def _overview(command: str, groups: Groups, width: int) -> Iterator[str]:
    yield f"python -m src.{command} [GROUP=CHOICE ...] [KEY=VALUE ...]\n{_first_comment(groups, command)}"
    roots = sorted(path.stem for path in groups.folders[0].glob("*.yaml"))
    commands = [*(name for name in FIRST if name in roots), *(name for name in roots if name not in FIRST)]
    yield _table(
        "Commands (python -m src.NAME --help tells more):", [(n, _first_comment(groups, n)) for n in commands], width
    )
    yield _table("Beside them:", BESIDE, width) if command == "train" else ""
    defaults = _defaults(groups, command)
    names = [name for name in _ordered(groups, defaults) if command == "train" or name in defaults]
    if names:
        rows = [(group, _listed(groups.choices(group), defaults.get(group))) for group in names]
        yield _table("Groups (the default has a *; --help GROUP tells more):", rows, width)
    used = [key for key in MOST_USED if command == "train" or key.partition(".")[0] in defaults]
    if used:
        yield _table("Keys used most, with their defaults:", [_key_row(groups, defaults, key) for key in used], width)
    own = [key for key in document(groups.folders[0] / f"{command}.yaml") if key not in ("defaults", *used)]
    if command != "train" and own:
        yield _table("Keys, with their defaults:", [_key_row(groups, {}, key, command) for key in own], width)
    if command != "train" and command in SAVED_RUN:
        yield f"With {SAVED_RUN[command][0]}=, any other key=value or group=choice applies to the saved run."
    examples = [(f"python -m src.{command} {typed}", what) for typed, what in EXAMPLES.get(command, ())]
    yield "\n".join(["Examples:", *(f"  {typed}\n      {what}" for typed, what in examples)]) if examples else ""
    yield f'Shell completion: eval "$(python -m src.{command} -sc install=bash)"'


def _choices(group: str, groups: Groups) -> str:
    rows = [(choice, _first_comment(groups, f"{group}/{choice}")) for choice in groups.choices(group)]
    return _table(f"{group}=", rows, 120)


def _defaults(groups: Groups, command: str) -> dict[str, str | None]:
    """Return the groups of a command's defaults list and what they are without a word."""
    entries = document(groups.folders[0] / f"{command}.yaml").get("defaults") or ()
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    brought = set(BROUGHT) - set(COMMANDS[command][1])
    return {group: choice for group, choice in pairs if group not in {"hydra", *brought}}


def _ordered(groups: Groups, defaults: dict[str, str | None]) -> list[str]:
    named = [group for group in defaults if groups.choices(group)]
    others = set(SECTIONS) - set(TRAINING)  # of another command
    return [*named, *(group for group in groups.names() if group not in named and group not in others)]


def _listed(choices: Sequence[str], default: str | None) -> str:
    return ", ".join(f"{choice}*" if choice == default else choice for choice in choices)


def _first_comment(groups: Groups, name: str) -> str:
    """Return the first line that says what a file is for."""
    path = groups.file(name)
    lines = path.read_text(encoding="utf-8").splitlines() if path else []
    comments = (line[1:].strip() for line in lines if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


def _key_row(groups: Groups, defaults: dict[str, str | None], key: str, command: str = "train") -> tuple[str, str]:
    """Return a key with its default, and the comment behind it in the file that sets it."""
    section, _, name = key.rpartition(".")
    names = (
        [f"{section}/{choice}" for choice in _files_of(groups, section, defaults.get(section))]
        if section
        else [command]
    )
    pattern = re.compile(rf"^{name}:\s*(?P<value>[^#]*?)\s*(?:#\s*(?P<comment>.*))?$", re.MULTILINE)
    for file in names:
        path = groups.file(file)
        found = pattern.search(path.read_text(encoding="utf-8")) if path else None
        if found:
            value = "" if found["value"] == "???" else found["value"]
            return f"{key}={value}", found["comment"] or ""
    return key, ""


def _files_of(groups: Groups, group: str, default: str | None) -> list[str]:
    """Return the files in which a key of a group may stand, the default choice first, then what it builds on."""
    others = sorted(path.stem for path in (groups.folders[0] / group).glob("*.yaml"))
    return [*([default] if default else []), *others]


def _table(title: str, rows: Sequence[tuple[str, str]], width: int) -> str:
    """Return rows of a word and its explanation, wrapped in a column of its own."""
    first = max((len(word) for word, _ in rows), default=0) + 4
    lines = [title]
    for word, text in rows:
        wrapped = textwrap.wrap(text, max(30, width - first), break_long_words=False) or [""]
        lines += [f"  {word}".ljust(first) + wrapped[0], *(" " * first + line for line in wrapped[1:])]
    return "\n".join(line.rstrip() for line in lines)
