"""What the user can mend: every such mistake is one exception, shown without a traceback and ended with exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn


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


def end_process(task: Callable[[], object]) -> NoReturn:
    """Do a command's task and end the process.

    Exit code 0, or 2 with a message and no traceback where the user's input was wrong, 130 where interrupted. Other
    exceptions keep their traceback and end with 1.
    """
    try:
        task()
        sys.stdout.flush()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe, such as `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)
