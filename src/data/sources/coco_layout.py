"""Where the JSON files of a set in COCO's form lie, and the images of each: as typed, or found by what they say."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from src.data.listing import described, visible_files
from src.data.sources.json_kinds import coco_file_names, what_it_is
from src.data.sources.picture_folder import holding, nearest, pictures_of
from src.data.sources.split_paths import SPLIT, expected, one_each, pattern_of, split_paths, typed
from src.errors import UserError

log = logging.getLogger(__name__)

AUTO = "auto"
Files = dict[str, tuple[str, Path]]
"""For each split the name that stands for `{split}`, and its file."""
_DEPTH = 3
_PARSED = 1 << 26
"""Bytes up to which a JSON file is parsed only to say what it is."""


@dataclass(frozen=True)
class Part:
    """A split's file, and the folder of its images below the root."""

    split: str
    file: Path
    images: str


@dataclass(frozen=True)
class Layout:
    """The parts of a set, the keys that name them, and files of COCO's form that are not among them."""

    parts: tuple[Part, ...]
    keys: dict[str, str]
    unused: tuple[str, ...] = ()


def coco_layout(root: Path, annotations: str, images: str) -> Layout:
    """Return where a set lies. Raises UserError that lists what is there and what to type where that is not clear."""
    if annotations == AUTO:
        return _found(root, images)
    if SPLIT not in annotations:
        files: Files = {"all": (AUTO, root / annotations)} if (root / annotations).is_file() else {}
    else:
        files = {split: found[0] for split, found in split_paths(root, annotations, "annotations").items()}
    if not files:
        raise UserError(_missing(root, annotations))
    return Layout(tuple(_parts(root, files, images)), {})


def _parts(root: Path, files: Files, images: str) -> list[Part]:
    parts = []
    for split, (name, file) in files.items():
        if coco_file_names(file) is None:  # who reads it says what it is
            parts.append(Part(split, file, "."))
            continue
        if images == AUTO:
            parts.append(Part(split, file, _images_of(root, file, split)))
            continue
        folder = images.replace(SPLIT, name)
        if not (root / folder).is_dir() and SPLIT in images:  # annotations of `val`, images in `Validation`
            folder = next((str(found[0][1].relative_to(root)) for other, found in
                           split_paths(root, images, "images").items() if other == split), folder)  # fmt: skip
        if not (root / folder).is_dir():
            raise UserError(f"data.source.images={images}: no such folder: {root / folder}{_hint(root, file, split)}")
        parts.append(Part(split, file, folder))
    return parts


def _hint(root: Path, file: Path, split: str) -> str:
    try:
        folder = _images_of(root, file, split)
    except UserError:
        return ""
    return f"; the images that {file.name} names are in {folder}: type {typed(images=pattern_of(folder + '/')[0][:-1])}"


def _found(root: Path, images: str) -> Layout:
    """Return the one layout that is there."""
    layouts = _candidates(root, images)
    if len(layouts) > 1:
        leading = [one for one in layouts if Path(one.keys["annotations"]).name.startswith("instances")]
        layouts = leading if len(leading) == 1 else layouts
    if not layouts:
        raise UserError(f"data.root={root}: no annotations in COCO's form. {what_is_there(root)}")
    if len(layouts) > 1:
        each = "\n".join(f"  {typed(**one.keys)}" for one in layouts)
        raise UserError(f"data.root={root}: several sets of annotations; type the one that is meant:\n{each}")
    log.info("data.source.annotations=auto: %s", typed(**layouts[0].keys))
    return layouts[0]


def _candidates(root: Path, images: str) -> list[Layout]:
    """Return the sets that are there: files that differ by the name of a split are one, else each file is one."""
    names = {}
    for folder, there in visible_files(root, _DEPTH).items():
        for name in there:
            path = name if folder == "." else f"{folder}/{name}"
            if name.lower().endswith(".json") and coco_file_names(root / path):
                names[path] = pattern_of(path)
    groups: dict[str, dict[str, str]] = {}
    for path, (pattern, name) in names.items():
        groups.setdefault(pattern if name else path, {})[name] = path
    layouts = []
    for pattern, members in groups.items():
        chosen = one_each(members, "annotations", pattern) if "" not in members else {}
        if "train" in chosen or ("" in members):
            files: Files = {split: (name, root / members[name]) for split, name in chosen.items()}
            files = files or {"all": ("", root / members[""])}
            parts = tuple(_parts(root, files, images))
            layouts.append(Layout(parts, {"annotations": pattern, "images": _images_pattern(parts, files)}))
    split = [one for one in layouts if SPLIT in one.keys["annotations"]] or layouts
    if len(split) == 1:
        used = {str(part.file.relative_to(root)) for part in split[0].parts}
        return [Layout(split[0].parts, split[0].keys, tuple(path for path in names if path not in used))]
    return split


def _images_pattern(parts: tuple[Part, ...], files: Files) -> str:
    """Return what to type for the folders of images."""
    own = {part.images for part in parts}
    if len(own) == 1:
        return own.pop()
    patterns = [part.images.replace(files[part.split][0], SPLIT) for part in parts]
    same = pattern_of(parts[0].images + "/")[0][:-1]
    return patterns[0] if len(set(patterns)) == 1 else same


def _images_of(root: Path, file: Path, split: str) -> str:
    """Return the folder below which the images lie that a file names. Raises UserError where that is not clear."""
    names = coco_file_names(file) or []
    if not names:
        return file.parent.relative_to(root).as_posix()
    bases = {name.replace("\\", "/").rpartition("/")[2] for name in names}
    tree = visible_files(root)
    exact = [folder for folder in tree if all((root / folder / name).is_file() for name in names)]
    found = nearest(exact, file.parent.relative_to(root).as_posix(), split)
    found = found or nearest(holding(tree, bases.__le__), file.parent.relative_to(root).as_posix(), split)
    if len(found) == 1:
        return found[0]
    such = f"the images that it names, such as {names[0] if names else 'none'},"
    if found:
        each = " or ".join(typed(images=folder) for folder in found[:5])
        raise UserError(f"{file}: {such} are in several folders; type {each}")
    raise UserError(
        f"{file}: {such} are in no folder of {root}; there are {described(root, pictures_of(tree))}. Type "
        "data.source.images=FOLDER"
    )


def _missing(root: Path, annotations: str) -> str:
    files = " or ".join(str(root / path) for path in expected(annotations))
    return f"data.source.annotations: no such file: {files}. {what_is_there(root)}"


def what_is_there(root: Path) -> str:
    """Return what lies below a folder: sets in COCO's form with what to type, or what JSON files are, and the rest."""
    files = visible_files(root, _DEPTH)
    lines = []
    try:
        layouts = _candidates(root, AUTO)
    except UserError as error:
        return f"There is a file in COCO's form: {error}"
    if layouts:
        each = "\n".join(f"  {typed(**one.keys)}" for one in layouts)
        return f"These annotations in COCO's form are there:\n{each}"
    others = [f"{folder}/{name}" for folder, names in files.items() for name in names if name.lower().endswith(".json")]
    for path in others[:3]:
        lines.append(f"{path.removeprefix('./')}: {_kind(root / path)}")
    if any(name.lower().endswith(".xml") for names in files.values() for name in names):
        lines.append("XML files are Pascal VOC's, mostly: data=voc")
    return "\n  ".join([f"There are: {described(root, files)}", *lines])


def _kind(file: Path) -> str:
    if file.stat().st_size > _PARSED:
        return "not in COCO's form"
    try:
        return what_it_is(json.loads(file.read_bytes()))
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"
