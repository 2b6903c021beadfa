"""The commands that the README shows, as a person would copy them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STARTS = ("python -m ", "dvc ", "make ")
PLACEHOLDERS = {
    "RUN_DIR...": "runs/first",
    "RUN_DIR": "runs/first",
    "model=M": "model=lenet",
    "data=D": "data=shapes",
    "FILE.csv": "rows.csv",
    "src.predict ...": "src.predict run=runs/first input=photos/",
}
"""What is to be replaced by something of one's own, with what stands for it; `[...]` is left out."""


@dataclass(frozen=True)
class Shown:
    """A command as it runs, and the line of the README in which it begins."""

    line: int
    text: str

    @property
    def needs_data(self) -> bool:
        """Whether it reads a folder of the reader's own, which `FOLDER` stands for."""
        return "FOLDER" in self.text


def shown() -> list[Shown]:
    """Return each command once, in the order of the README: indented lines first to last, and those within text."""
    found: dict[str, int] = {}
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        for text in _of_block(lines, number) if line.startswith("    ") else re.findall(r"`([^`]+)`", line):
            if text.startswith(STARTS) and not _is_fragment(text):
                found.setdefault(_filled(text), number)
    return [Shown(number, text) for text, number in found.items()]


def _of_block(lines: list[str], number: int) -> list[str]:
    """Return the commands of an indented line, joined with those that it is continued in, without its comment."""
    text = lines[number - 1].strip()
    while text.endswith("\\"):
        text = f"{text[:-1].rstrip()} {lines[number].strip()}"
        number += 1
    return [part.strip() for part in re.split(r";\s", re.split(r"\s#\s", text)[0])]


def _is_fragment(text: str) -> bool:
    """Return whether this only names a command, or leaves out what it needs."""
    return text.split()[-1] in ("src...", "-m", "...") or "NAME PLACE" in text or text in ("dvc push", "dvc pull")


def _filled(text: str) -> str:
    text = re.sub(r"\s*\[[^\]=]*(=[^\]]*)?\.\.\.\]|\s\[\w+=[^\]]+\]$", "", text)
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    return text
