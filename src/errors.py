"""What the user can mend: every such mistake is one exception, shown without a traceback and ended with exit code 2."""

from __future__ import annotations


class UserError(Exception):
    """Wrong input: configuration, data, or a run directory.

    The message says what is wrong, where (file, key, sample), what was likely meant and what to type. Entry points
    print it on standard error and exit with code 2.
    """
