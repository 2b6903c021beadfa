"""What the user can mend: every such mistake is one exception, shown without a traceback and ended with exit code 2."""

from __future__ import annotations

from collections.abc import Sequence


class UserError(Exception):
    """Wrong input: configuration, data, or a run directory.

    The message says what is wrong, where (file, key, sample), what was likely meant and what to type. Entry points
    print it on standard error and exit with code 2.
    """

    def __str__(self) -> str:
        """Return the message; of one raised in a loader process, without the traceback that torch puts before it."""
        text = super().__str__()
        if text.startswith("Caught ") and "Original Traceback" in text:
            return text.rpartition(f"{type(self).__name__}: ")[2].strip()
        return text


def listed(names: Sequence[str], shown: int = 10) -> str:
    """Return the first of many names and the number of the others, for a message."""
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
