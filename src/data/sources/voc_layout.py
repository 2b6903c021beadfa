"""Where the XML files of a set in Pascal VOC's form lie, its pictures and its lists: as typed, or found."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from src.data.listing import described, missing_folder, visible_files
from src.data.sources.picture_folder import Tree, holding, nearest, pictures_of
from src.data.sources.split_paths import SPLIT, one_each, pattern_of, split_paths, typed
from src.errors import UserError

log = logging.getLogger(__name__)

AUTO = "auto"
_FOLDERS = ("Annotations", "JPEGImages")
_LISTS = ("ImageSets/Main", "ImageSets")
_DEPTH = 3
_ROOT_TAG = re.compile(rb"<annotation[\s>]")


@dataclass(frozen=True)
class Part:
    """A split's folders of XML files and of pictures, below the root."""

    split: str
    annotations: str
    images: str


@dataclass(frozen=True)
class Layout:
    """`lists` are the text files that may name the images of splits, by what they are called."""

    root: Path
    parts: tuple[Part, ...]
    lists: dict[str, Path]


def voc_layout(root: Path, annotations: str, images: str, lists: str | None) -> Layout:
    """Return where a set lies. Raises UserError that lists what is there and what to type where that is not clear."""
    try:
        list(root.iterdir())
    except OSError as error:
        raise UserError(missing_folder(root, error)) from None
    if annotations == images == AUTO and (place := _usual_place(root)) is not None:
        root, (annotations, images) = place, _FOLDERS
        inner = annotation_folders(root)
        if len(inner) == 1 and SPLIT in inner[0] and not _lists(root, AUTO):  # Annotations/train, Annotations/val, ...
            annotations, images = inner[0], AUTO
    if annotations == AUTO:
        annotations = _found(root)
    parts = _parts(root, annotations, images)
    return Layout(root, parts, {} if SPLIT in annotations or lists is None else _lists(root, lists))


def _usual_place(root: Path) -> Path | None:
    """Return the folder that holds Annotations/ and JPEGImages/, in the root or up to two levels below it.

    Raises UserError where there are several.
    """
    levels: list[list[Path]] = [[root], sorted(root.glob("*")), sorted(root.glob("*/*"))]
    sets = [[path for path in level if all((path / name).is_dir() for name in _FOLDERS)] for level in levels]
    found = next((level for level in sets if level), [])
    if len(found) > 1 and one_name_each(root, found):
        return None  # a set per split
    if len(found) > 1:
        raise UserError(f"data.root={root}: several sets; name one: {', '.join(f'data.root={path}' for path in found)}")
    return found[0] if found else None


def one_name_each(root: Path, places: list[Path]) -> bool:
    """Tell whether folders differ by the name of a split alone."""
    patterns = {pattern_of(f"{place.relative_to(root).as_posix()}/") for place in places}
    return len({pattern for pattern, _ in patterns}) == 1 and all(name for _, name in patterns)


def _found(root: Path) -> str:
    """Return the folder of XML files that is there, with `{split}` where it is one per split."""
    patterns = annotation_folders(root)
    if len(patterns) == 1:
        log.info("data.source.annotations=auto: %s", typed(annotations=patterns[0]))
        return patterns[0]
    if not patterns:
        raise UserError(
            f"data.root={root}: no folder with Annotations/ and JPEGImages/ in it, or two levels below, nor any other "
            f"with XML files of Pascal VOC. {_what_is_there(root)}"
        )
    each = "\n".join(f"  {typed(annotations=pattern)}" for pattern in patterns)
    raise UserError(f"data.root={root}: several sets of annotations; type the one that is meant:\n{each}")


def _what_is_there(root: Path) -> str:
    files = visible_files(root, _DEPTH)
    others = [name for names in files.values() for name in names if name.lower().endswith(".json")]
    hint = f". {others[0]} may be in COCO's form: data=coco" if others else ""
    xml = [root / folder / name for folder, names in files.items() for name in names if name.lower().endswith(".xml")]
    if any(b"<annotations" in _head(file) for file in xml[:5]):
        hint += f". {xml[0].name} is CVAT's own form: export the set as Pascal VOC"
    return f"There are: {described(root, files)}{hint}"


def annotation_folders(root: Path) -> list[str]:
    """Return the folders of annotations below `root`; those that differ by the name of a split are one."""
    folders = []
    for folder, names in visible_files(root, _DEPTH).items():
        files = [root / folder / name for name in names if name.lower().endswith(".xml")]
        if any(_ROOT_TAG.search(_head(file)) for file in files[:5]):
            folders.append(folder)
    groups: dict[str, list[str]] = {}
    for folder in folders:
        pattern, name = pattern_of(f"{folder}/")
        groups.setdefault(pattern[:-1] if name else "", []).append(name or folder)
    plain = groups.pop("", [])
    split = [pattern for pattern, names in groups.items() if "train" in one_each(names, "annotations", pattern)]
    if split and not plain:
        return split
    everything = plain + [pattern.replace(SPLIT, name) for pattern, names in groups.items() for name in names]
    above = os.path.commonpath(everything) if everything else ""
    if everything and above:  # subfolders of one folder of annotations
        return [above]
    return [*split, *plain] if len(everything) != 1 else everything


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as content:
            return content.read(1 << 16)
    except OSError:
        return b""


def _parts(root: Path, annotations: str, images: str) -> tuple[Part, ...]:
    named: dict[str, tuple[str, str]]
    if SPLIT in annotations:
        named = {s: (n[0][0], _inside(root, n[0][1])) for s, n in split_paths(root, annotations, "annotations").items()}
    else:
        named = {"all": ("", annotations)} if (root / annotations).is_dir() else {}
    if not named:
        raise UserError(f"data.source.annotations={annotations}: no such folder below {root}. {_what_is_there(root)}")
    return tuple(
        Part(split, folder, _images(root, folder, split, name, images)) for split, (name, folder) in named.items()
    )


def _images(root: Path, annotations: str, split: str, name: str, images: str) -> str:
    if images == AUTO:
        return images_of(root, annotations, split)
    folder = images.replace(SPLIT, name)
    if not (root / folder).is_dir() and SPLIT in images:  # annotations of `val`, pictures in `Validation`
        found = split_paths(root, images, "images")
        folder = next((_inside(root, paths[0][1]) for other, paths in found.items() if other == split), folder)
    if not (root / folder).is_dir():
        raise UserError(f"data.source.images={images}: no such folder: {root / folder}. {_what_is_there(root)}")
    return folder


def images_of(root: Path, annotations: str, split: str) -> str:
    """Return the folder of the pictures that the XML files in a folder are of. Raises UserError where that is open."""
    stems = {Path(name).stem for name in sorted(_xml_names(root / annotations))[:5]}
    tree = pictures_of(visible_files(root))
    by_stem: Tree = {folder: [Path(name).stem for name in names] for folder, names in tree.items()}
    found = nearest(holding(by_stem, stems.__le__), annotations, split) if stems else [annotations]
    found = found or nearest([folder for folder, names in tree.items() if names], annotations, split)
    if len(found) == 1:
        return found[0]
    if not found:
        there = described(root, visible_files(root, _DEPTH))
        raise UserError(f"data.root={root}: no pictures there, only {there}. Type data.source.images=FOLDER")
    each = " or ".join(typed(images=folder) for folder in found[:5])
    raise UserError(f"data.root={root}: pictures for {annotations}/ are in several folders; type {each}")


def _xml_names(folder: Path) -> list[str]:
    return [name for names in visible_files(folder).values() for name in names if name.lower().endswith(".xml")]


def _lists(root: Path, lists: str) -> dict[str, Path]:
    if lists != AUTO:
        if SPLIT in lists:
            found = {str(split): paths[0][1] for split, paths in split_paths(root, lists, "lists").items()}
        else:
            found = {"all": root / lists} if (root / lists).is_file() else {}
        if not found:
            raise UserError(f"data.source.lists={lists}: no such file below {root}. {_what_is_there(root)}")
        return found
    for folder in _LISTS:
        files = sorted(path for path in (root / folder).glob("*.[tT][xX][tT]") if path.is_file())
        if files:
            return {path.stem: path for path in files}
    return {}


def _inside(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
