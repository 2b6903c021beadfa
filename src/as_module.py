"""Says how a command is typed where it was started as a file, and so cannot find the project it belongs to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn


def refuse(file: str) -> NoReturn:
    """Name the command that was meant, and end with exit code 2."""
    path = Path(file).resolve()
    words = " ".join(sys.argv[1:])
    print(f"{sys.argv[0]}: type, in {path.parents[1]}:\n  python -m src.{path.stem} {words}".rstrip(), file=sys.stderr)
    sys.exit(2)
