"""Completion of `python -m src.NAME ...` in bash; Hydra's own script knows only `python FILE.py`."""

from __future__ import annotations

from collections.abc import Sequence

INSTALL = r"""_src_completion() {
    local word="${COMP_WORDS[COMP_CWORD]}" line="${COMP_LINE:0:$COMP_POINT}" module="${COMP_WORDS[2]}"
    if [[ "${COMP_WORDS[1]}" == -m && "$module" == src.* ]] && (( COMP_CWORD > 2 )); then
        local found="$(COMP_LINE="app${line#*"$module"}" "${COMP_WORDS[0]}" -m "$module" -sc query=bash 2>/dev/null)"
        COMPREPLY=($(compgen -W "$found" -- "$word"))
    fi
}
COMP_WORDBREAKS="${COMP_WORDBREAKS//=}"
complete -o nospace -o default -F _src_completion python python3"""

UNINSTALL = "complete -r python python3; unset -f _src_completion"


def script(words: Sequence[str]) -> str | None:
    """Return the script for `-sc install=bash` or `uninstall=bash`; None for all that Hydra answers itself."""
    return {"install=bash": INSTALL, "uninstall=bash": UNINSTALL}.get(words[0] if words else "")
