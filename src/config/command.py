"""From a command line to a checked configuration, or to a message that names everything that is wrong with it.

Only hydra is imported here. Training and the like happen when this is done, outside of Hydra.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from src.config.completion import script
from src.config.composed import Composed as Composed
from src.config.groups import CONF, Groups
from src.config.problems import COMMAND_LINE, ConfigurationError, Problem
from src.errors import UserError
from src.files import PRINTABLE

if TYPE_CHECKING:
    from src.config.assess import Assessment


def main(task: Callable[[Composed], object], config_name: str) -> NoReturn:
    """Run a command: compose and check its configuration, then do its task; ends the process.

    See `end_with` for how.
    """
    from src.runs.ranks import end_with_parent

    end_with_parent()
    end_with(lambda: task(compose(config_name)))


def end_with(action: Callable[[], object]) -> NoReturn:
    """Do the last thing of a process and end it.

    Exit code 0, or 2 with a message and no traceback where the user's input was wrong, 130 where interrupted. Other
    exceptions keep their traceback and end with 1.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=PRINTABLE)
    try:
        action()
        sys.stdout.flush()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Stopped by Ctrl-C before the end.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe, such as `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def compose(config_name: str, argv: Sequence[str] | None = None) -> Composed:
    """Return the checked configuration for what was typed (`sys.argv` by default).

    Ends the process after sweeps (`-m`), and after `--help`, `--cfg`, `--info` and shell completion, Hydra's work.
    Raises ConfigurationError, a UserError, with everything that is wrong.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if {"--help", "-h"} & set(arguments):
        from src.config.help import help_text

        print(help_text(config_name, [word for word in arguments if not word.startswith("-")]))
        sys.exit(0)
    options = _parse(arguments, config_name)
    if options.shell_completion and (text := script(options.overrides)):
        print(text)
        sys.exit(0)
    if options.shell_completion or options.hydra_help:
        _hand_to_hydra(config_name, arguments)

    from src.config import compatibility
    from src.config.assess import assess

    groups = Groups((CONF, *_own_folder(options.config_dir)))
    assessment = assess(
        config_name, options.overrides, groups, config_name=options.config_name, multirun=options.multirun
    )
    composed = assessment.accepted()
    if options.multirun and not (options.cfg or options.info):
        _sweep(config_name, assessment, options.config_name)
    if options.cfg or options.info:
        flags = [argument for argument in arguments if argument not in options.overrides]
        _hand_to_hydra(config_name, [*flags, *assessment.hydra_overrides])
    _require_sweep(config_name, assessment)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        for note in compatibility.notes(composed):
            print(f"note: {note}", file=sys.stderr)
    return composed


def _sweep(config_name: str, assessment: Assessment, file: str | None) -> NoReturn:
    """Carry out a sweep (`-m`) and end the process. Raises UserError where the command is not one to sweep with."""
    if config_name != "train":
        raise UserError(f"-m: a sweep is of trainings; type python -m src.{config_name} once for each")
    from src.sweeps.start import sweep

    sys.exit(sweep(assessment, file))


def _require_sweep(config_name: str, assessment: Assessment) -> None:
    """Raise UserError where a single training was typed with what only a sweep goes by."""
    for override in assessment.typed:
        if config_name == "train" and override.key.partition(".")[0] in ("search", "pruner", "sweep", "sweep_dir"):
            raise UserError(f"{override.canonical}: this is one training; add -m for a sweep")


def _parse(arguments: Sequence[str], command: str) -> Any:
    """Return Hydra's own options. Raises UserError where there are others, or those that we do not let through."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        hint = "Values are typed as key=value, such as optimizer.lr=0.1; --help shows the keys."
        known = [flag for flag in arguments if flag.partition("=")[0] in parser._option_string_actions]
        raise UserError("\n".join([message, hint, *_as_values(arguments, known, command)]))

    parser.error = refuse  # type: ignore[method-assign]
    options = parser.parse_intermixed_args(list(arguments))
    if options.experimental_rerun:
        raise UserError("--experimental-rerun unpickles a file, which may run anything: type resume=RUN_DIR instead.")
    if options.config_path:
        raise UserError("--config-path would replace conf/: a folder of your own beside it is --config-dir FOLDER.")
    return options


def _as_values(arguments: Sequence[str], known: Collection[str], command: str) -> Iterator[str]:
    """Yield what to type in place of each option that is none (`--lr 0.1`), or what is wrong with that too."""
    from src.config.assess import assess

    for number, flag in enumerate(arguments):
        if not flag.startswith("--") or flag in known:
            continue
        text = flag[2:].replace("-", "_")
        following = arguments[number + 1 : number + 2]
        if "=" not in flag and following and not following[0].startswith("-") and "=" not in following[0]:
            text += f"={following[0]}"
        if "=" in text:
            found = [one for one in assess(command, [text], Groups((CONF,))).problems if one.key == text]
            wrong = "; ".join(part for one in found[:1] for part in (one.what, one.suggestion) if part)
            yield f"  {text}: {wrong}" if wrong else f"  type {text}"


def _own_folder(typed: str | None) -> list[Path]:
    if typed is None:
        return []
    folder = Path(typed).absolute()
    if not folder.is_dir():
        raise ConfigurationError([Problem(COMMAND_LINE, f"--config-dir {typed}", "there is no such folder")])
    return [folder]


def _hand_to_hydra(config_name: str, arguments: Sequence[str]) -> NoReturn:
    """Let Hydra do what it does without our task: print a configuration, complete a line, run a sweep's jobs."""
    import hydra
    from hydra.errors import HydraException

    def task(_: Any) -> NoReturn:
        raise AssertionError("Hydra was asked to print and to complete, not to run")

    task.__module__ = f"src.{config_name}"
    try:
        with _as_typed(arguments):
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(task)()
    except (HydraException, ValueError) as error:
        raise UserError(str(error) or repr(error.__cause__)) from error
    sys.exit(0)


@contextmanager
def _as_typed(arguments: Sequence[str]) -> Iterator[None]:
    """Let Hydra find these arguments, and let its exceptions reach us."""
    argv, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = [argv[0], *arguments], "1"
    try:
        yield
    finally:
        sys.argv = argv
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error
