"""What of a configuration a result depends on, as a flat table, so that runs can be compared and named by a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from src.config.effects import WITHOUT_EFFECT, within
from src.config.groups import leaves


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by dotted key without those that no result depends on.

    Of an absolute path only its last name is kept: a run may be moved to another machine.
    """
    return {key: placeless(value) for key, value in leaves(config).items() if not within(key, WITHOUT_EFFECT)}


def settings_digest(config: Mapping[str, Any]) -> str:
    """Return a digest of the settings: equal for runs that were asked for the same result."""
    text = json.dumps(settings(config), sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def placeless(value: Any) -> Any:
    """Return a value without the folder of an absolute path."""
    if isinstance(value, str) and PurePath(value).is_absolute():
        return f"…/{PurePath(value).name}"
    return [placeless(item) for item in value] if isinstance(value, list) else value
