"""What a JSON file of annotations is, where it is not in COCO's form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

_FILE_NAME = re.compile(rb'"file_name"\s*:\s*"((?:[^"\\]|\\.)*)"')
_KEYS = [re.compile(rb'"' + name + rb'"\s*:\s*\[') for name in (b"images", b"annotations", b"categories")]


def coco_file_names(file: Path, first: int = 5) -> list[str] | None:
    """Return the first names of images in a file in COCO's form, None where it is none: by its text, unparsed.

    A file of COCO's own training set has 450 MB; it is not parsed to find out what it is.
    """
    try:
        with file.open("rb") as content, mmap(content.fileno(), 0, access=ACCESS_READ) as text:
            if not all(key.search(text) for key in _KEYS):
                return None
            found: list[str] = []
            for match in _FILE_NAME.finditer(text):
                found.append(_unescaped(match[1]))
                if len(found) == first:
                    break
            return found
    except (OSError, ValueError):  # unreadable, or empty
        return None


def what_it_is(content: Any) -> str:
    """Return what a parsed JSON file is that is no set in COCO's form, and what to do about it."""
    if isinstance(content, Mapping):
        return _what_mapping_is(content)
    if isinstance(content, list):
        return _what_list_is(content)
    return f"it holds {type(content).__name__}, not an object with images, annotations and categories"


def _what_mapping_is(content: Mapping[str, Any]) -> str:
    keys = content.keys()
    if {"shapes", "imagePath"} <= keys:
        return "it is LabelMe's own form, a file per image: export the set as COCO"
    if {"_via_settings", "_via_img_metadata"} & keys or any(
        _has(one, "regions", "filename") for one in content.values()
    ):
        return "it is the VGG Image Annotator's own form: export the set as COCO"
    if {"items", "categories"} <= keys:
        return "it is Datumaro's own form: export the set as coco_instances"
    if keys & {"assets", "videoSettings"}:
        return "it is VoTT's own form: export the set as COCO"
    if keys & {"samples", "sample_fields"}:
        return "it is FiftyOne's own form: export the set as COCODetectionDataset"
    if {"images", "categories"} <= keys and "annotations" not in keys:
        return "it lists images and categories, but has no annotations (COCO's image_info, of a test set without truth)"
    missing = [key for key in ("images", "annotations", "categories") if key not in keys]
    if missing:
        return f"it has no {' and no '.join(missing)}; its keys are {', '.join(map(str, list(keys)[:8])) or 'none'}"
    return "its images, annotations and categories are not lists of entries"


def _what_list_is(content: list[Any]) -> str:
    first = content[0] if content else None
    if _has(first, "image_id", "score") or _has(first, "image_id", "bbox"):
        return "it lists detections (COCO's results) without the images: the file of the truth is wanted"
    if _has(first, "data") and (_has(first, "annotations") or _has(first, "completions") or _has(first, "predictions")):
        return "it is Label Studio's own form: export the set as COCO"
    if _has(first, "image") and (_has(first, "annotations") or _has(first, "annotation_id")):
        own = "CreateML's" if _has(first, "annotations") else "Label Studio's (JSON_MIN)"
        return f"it is {own} form: export the set as COCO"
    return f"it is a list of {len(content)} entries, not an object with images, annotations and categories"


def _has(entry: Any, *keys: str) -> bool:
    return isinstance(entry, Mapping) and all(key in entry for key in keys)


def _unescaped(text: bytes) -> str:
    return str(json.loads(b'"' + text + b'"'))
