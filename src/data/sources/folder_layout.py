"""Which folders below a root are splits and which are classes, told by their names and by what they hold."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from src.data.listing import holds_image, is_hidden, is_image, visible_folders
from src.data.split_names import SPLITS, split_named
from src.errors import UserError

Splits = Literal["auto", "none"] | dict[str, str]
"""`data.source.splits`: found by their names, none (every folder is a class), or the folder of each by name."""


@dataclass
class Layout:
    """The folder of each split, or of `all`, and what a person should know of folders that are none of them."""

    splits: dict[str, Path]
    remarks: list[str] = field(default_factory=list)


class _Child:
    """A folder below the root: what its name says, and what it holds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        meant = split_named(folder.name)
        self.split = "train" if meant == "trainval" else meant

    @cached_property
    def classes(self) -> frozenset[str]:
        """Names of the folders in it that hold images: what would be its classes if it is a split."""
        return frozenset(inner.name for inner in folders_in(unnested(self.folder)) if holds_image(inner))

    @cached_property
    def has_images(self) -> bool:
        return holds_image(self.folder)


def find_layout(root: Path, asked: Splits, classes: Collection[str] = ()) -> Layout:
    """Return what is what below `root`. A folder that `classes` names is a class.

    A folder of a split's usual name is that split where it holds class folders: among folders that hold images
    themselves, as bus, car and train do, it is a class. Raises UserError where that does not tell, with what to type.
    """
    if asked == "none":
        return Layout({"all": root})
    if not isinstance(asked, str):
        return _as_told(root, asked)
    children = [_Child(folder) for folder in folders_in(root)]
    named = [child for child in children if child.split is not None]
    others = [child for child in children if child.split is None and child.has_images]
    if not named or {child.name for child in named} & set(classes):
        return Layout({"all": root}, _alike(root, children))
    chosen, spare = _one_each(root, named)
    if "train" not in chosen:
        return _without_train(root, chosen, others, children)
    if not chosen["train"].classes:
        return _without_classes(root, chosen, others)
    if len(chosen) == 1 and len(others) > 1:
        raise _unclear(root, chosen, others)
    unused = sorted(child.name for child in [*others, *spare] if child.has_images)
    splits: dict[str, Path] = {split: unnested(chosen[split].folder) for split in SPLITS if split in chosen}
    return Layout(splits, [_unused(root, unused, chosen)] if unused else [])


def _without_train(
    root: Path, chosen: Mapping[str, _Child], others: Sequence[_Child], children: Sequence[_Child]
) -> Layout:
    """Folders are classes if none is for training, unless all hold the same folders, or no class is among them."""
    if not others:
        names = _listed(sorted(child.name for child in chosen.values()))
        raise UserError(f"data.root={root}: there is {names} but no train; if these are classes, type data.source.splits=none")  # fmt: skip # noqa: E501
    if _same_folders([*chosen.values(), *others]):
        raise _unclear(root, chosen, others)
    return Layout({"all": root}, _alike(root, children))


def _without_classes(root: Path, chosen: Mapping[str, _Child], others: Sequence[_Child]) -> Layout:
    """Return a layout where the folder called train holds images and no class folders: it is a class among others."""
    if others and len(chosen) > 1:
        raise _unclear(root, chosen, others)
    if others:
        return Layout({"all": root})
    return Layout({split: unnested(chosen[split].folder) for split in SPLITS if split in chosen})


def _as_told(root: Path, asked: Mapping[str, str]) -> Layout:
    folders = {split: root / name for split, name in asked.items()}
    unknown = sorted(set(folders) - set(SPLITS))
    if unknown or "train" not in folders:
        wrong = f"{', '.join(unknown)} is no split" if unknown else "train is missing"
        raise UserError(f"data.source.splits: {wrong}; type such as data.source.splits={{train: FOLDER, test: FOLDER}}")
    for split, folder in folders.items():
        if not folder.is_dir():
            there = _listed([child.name for child in folders_in(root)]) or "no folders"
            raise UserError(f"data.source.splits.{split}={asked[split]}: no such folder in {root}, which holds {there}")
    return Layout({split: unnested(folders[split]) for split in SPLITS if split in folders})


def _one_each(root: Path, named: Sequence[_Child]) -> tuple[dict[str, _Child], list[_Child]]:
    """Return one folder for each split, and those that are left over: test2 beside test, trainval beside train."""
    chosen: dict[str, _Child] = {}
    spare: list[_Child] = []
    for split in SPLITS:
        members = [child for child in named if child.split == split]
        plain = [one for one in members if not re.search(r"\d", one.name) and split_named(one.name) == split]
        members_of_choice = plain or members
        if len(members_of_choice) > 1:
            names = " and ".join(f"{one.name}/" for one in members_of_choice)
            told: dict[str, str] = {"train": "FOLDER"}
            told[split] = members_of_choice[0].name
            raise UserError(f"{root}: {names} are both the {split} split; remove one, or type {_typed(told)}")
        if members_of_choice:
            chosen[split] = members_of_choice[0]
        spare += [child for child in members if child not in members_of_choice]
    return chosen, spare


def _unclear(root: Path, chosen: Mapping[str, _Child], others: Sequence[_Child]) -> UserError:
    names = _listed(sorted(child.name for child in [*chosen.values(), *others]))
    told = {split: child.name for split, child in chosen.items()}
    told = {"train": others[0].name} | told if "train" not in told else told
    return UserError(
        f"data.root={root}: are {names} splits or classes? Type data.source.splits=none if every folder is a class, or "
        f"name the folders of the splits, such as {_typed(told)}"
    )


def _unused(root: Path, names: Sequence[str], chosen: Mapping[str, _Child]) -> str:
    told = {split: child.name for split, child in chosen.items()}
    free = next((split for split in ("test", "val") if split not in told), "test")
    return (
        f"{root}: {_listed([f'{name}/' for name in names])} {'hold' if len(names) > 1 else 'holds'} images and "
        f"{'are' if len(names) > 1 else 'is'} not used; a folder becomes a split where it is named, as by "
        f"{_typed(told | {free: names[0]})}"
    )


def _alike(root: Path, children: Sequence[_Child]) -> list[str]:
    """Return a hint where all class folders hold the same folders: then these are the classes."""
    if not _same_folders(children):
        return []
    first, second = children[0], children[1]
    return [
        f"{root}: all {len(children)} class folders hold the same folders, {_listed(sorted(first.classes))}. If those "
        f"are the classes, name the splits: {_typed({'train': first.name, 'test': second.name})}"
    ]


def _same_folders(children: Sequence[_Child]) -> bool:
    first = children[0].classes if children else frozenset()
    return len(children) > 1 and len(first) > 1 and all(child.classes == first for child in children)


def _typed(splits: Mapping[str, str]) -> str:
    ordered = [f"{split}: {splits[split]}" for split in SPLITS if split in splits]
    return f'data.source.splits="{{{", ".join(ordered)}}}"'


def unnested(folder: Path) -> Path:
    """Return the folder that holds what this one is for: seg_train/seg_train, where the outer one holds only it."""
    inner = folders_in(folder)
    if len(inner) != 1 or any(is_image(child.name) for child in folder.iterdir() if not is_hidden(child.name)):
        return folder
    same = inner[0].name == folder.name or (split_named(folder.name) or "") == split_named(inner[0].name)
    return unnested(inner[0]) if same else folder


def folders_in(folder: Path) -> list[Path]:
    """Return the visible folders in `folder`, sorted. Raises UserError where it is none."""
    try:
        return visible_folders(folder)
    except OSError as error:
        raise UserError(missing_folder(folder, error)) from None


def missing_folder(folder: Path, error: OSError) -> str:
    """Return the message for a data folder that cannot be listed, with the part of its path that does exist."""
    if isinstance(error, NotADirectoryError) and folder.suffix.lower() in ARCHIVES:
        return f"data.root={folder} is an archive: unpack it, and name the folder"
    if not isinstance(error, FileNotFoundError):
        return f"data.root={folder}: {error.strerror}"
    parent = next(parent for parent in folder.absolute().parents if parent.is_dir())
    inside = [child.name for child in sorted(parent.iterdir()) if child.is_dir() and not is_hidden(child.name)]
    near = difflib.get_close_matches(folder.absolute().relative_to(parent).parts[0], inside, n=1)
    hint = (
        f"did you mean {parent / near[0]}?"
        if near
        else f"{parent} exists and holds {_listed(inside) or 'no folders'}; type data.root=FOLDER"
    )
    return f"data.root={folder}: no such folder; {hint}"


ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar"})


def _listed(names: Sequence[str], shown: int = 10) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
