"""One training from the command line to its exit: directory, lock, record and log around the recipe."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from src.config import figures, saved
from src.config.command import Composed
from src.config.effects import RESUME, Work
from src.cores import automatic_threads
from src.errors import UserError
from src.files import PRINTABLE
from src.metrics.baseline import BASELINE
from src.runs import ranks
from src.runs.directory import RunDirectory, hold_job, lock_run, new_run, open_run, overrides_digest
from src.runs.record import read_record, status_of
from src.runs.remaining import configuration_of, nothing_left
from src.runs.source import settle_source
from src.sweeps.job import digest_of, read_job

log = logging.getLogger(__name__)


def start(composed: Composed, *, latest: bool = True) -> RunDirectory | None:
    """Train a freshly composed and checked configuration in a new run directory, and return it; None in other ranks.

    `latest`: whether runs/latest may point at it.
    """
    runs_dir = Path(composed.config.runs_dir)
    name = f"{composed.choices['model']}-{composed.choices['data']}"
    if composed.config.only_batch:
        show_first_batch(settled(composed), name)
        return None
    if not is_main_process():
        path = ranks.listen(runs_dir).path if ranks.is_started_with_others() else composed.config.run_dir
        _train(settled(composed), open_run(path), resume=False)
        return None
    with contextlib.ExitStack() as held:
        with ranks.ending_others(runs_dir):
            config = settled(composed)
            ranks.require_started(config["trainer"], ranks.devices_of(config["trainer"]))
            run = new_run(config["run_dir"], config["runs_dir"], name, ranks.without_key(composed.overrides, "resume"))
            held.enter_context(lock_run(run))
            saved.save(composed, run.config, run.compose)
        sys.argv = [*ranks.without_key(sys.argv, "run_dir", "resume"), f"run_dir={run.path}"]
        ranks.tell(ranks.Told(str(run.path), resume=False), runs_dir)
        _train(config, run, resume=False, latest=latest and is_a_persons(composed, run))
    return run


def is_a_persons(composed: Composed, run: RunDirectory) -> bool:
    """Return whether a run is one that a person trained to use it: no job of a sweep, and nothing to find mistakes."""
    tried = composed.choices.get("debug") is not None or composed.config.trainer.get("fast_dev_run")
    return not (tried or read_job(run.path) or os.environ.get("WANDB_SWEEP_ID"))


def start_or_continue(composed: Composed) -> None:
    """Continue this command's own run where it was interrupted, else start it (`resume=auto`).

    Raises UserError where the run at `run_dir` was started with other overrides that its result depends on.
    """
    runs_dir = Path(composed.config.runs_dir)
    if not is_main_process() and ranks.is_started_with_others():
        told = ranks.listen(runs_dir)
        if told.resume:
            continue_run(told.path, told.overrides, runs_dir)
        else:
            start(composed)
        return
    with ranks.ending_others(runs_dir):
        path = own_run(composed)
        changes = changed_overrides(composed, path) if path is not None else ()
    if path is None:
        start(composed)
        return
    log.info("resume=auto: continuing %s", shown(path))
    sys.argv = [sys.argv[0], f"resume={path}", *changes]
    continue_run(str(path), changes, runs_dir)


def own_run(composed: Composed) -> Path | None:
    """Return the run that `resume=auto` continues: that at `run_dir`, else the newest unfinished of equal overrides."""
    if composed.config.run_dir is not None:
        path = Path(composed.config.run_dir)
        return path.resolve() if (path / "compose.yaml").exists() else None
    folder = Path(composed.config.runs_dir) / f"{composed.choices['model']}-{composed.choices['data']}"
    digest = overrides_digest(ranks.without_key(composed.overrides, "resume"))
    found = sorted(path for path in folder.glob(f"*-{digest}*") if (path / "compose.yaml").exists())
    unfinished = [path for path in found if status_of(path) not in ("finished", "pruned")]
    return unfinished[-1].resolve() if unfinished else None


def changed_overrides(composed: Composed, path: Path) -> tuple[str, ...]:
    """Return what was typed now and not when the run at `path` was started.

    Raises UserError where what was typed then is missing now, and the result depends on it.
    """
    before = {text.partition("=")[0]: text for text in saved.load(path / "compose.yaml").overrides}
    now = {text.partition("=")[0]: text for text in composed.overrides}
    own = ("resume", "run_dir", "runs_dir")
    lost = [text for key, text in before.items() if key not in now and key not in own and not may_change(text)]
    if lost:
        raise UserError(f"run_dir={path} was started with {', '.join(lost)}; type it again, or another run_dir")
    return tuple(text for key, text in now.items() if key not in own and before.get(key) != text)


def continue_run(path: str, overrides: Sequence[str], runs_dir: Path) -> None:
    """Go on with a run from its last checkpoint, with its saved configuration and what may be changed of it.

    The changes are on disk before other processes read the configuration: those that torchrun or srun started with this
    one hear of it in `runs_dir`, see `ranks.tell`. Raises UserError where something else was to be changed.
    """
    if not is_main_process():
        run = open_run(ranks.listen(runs_dir).path if ranks.is_started_with_others() else path)
        _train(saved.plain(saved.apply(saved.load(run.compose), overrides).config), run, resume=True)
        return
    with contextlib.ExitStack() as held:
        with ranks.ending_others(runs_dir):
            run = open_run(path)
            composed = changed(run, overrides)
            word = nothing_left(run, configuration_of(run), saved.plain(composed.config), overrides)
            if word is not None:
                ranks.tell_nothing(runs_dir)
                print(word, file=sys.stderr)
                print(shown(run.path))
                return
            trainer = saved.plain(composed.config)["trainer"]
            ranks.require_started(trainer, ranks.devices_of(trainer))
            held.enter_context(lock_run(run))
            held.enter_context(hold_job(run))
            run.remove_half_written()
            saved.save(composed, run.config, run.compose)
        ranks.tell(ranks.Told(str(run.path), resume=True, overrides=tuple(overrides)), runs_dir)
        _train(saved.plain(composed.config), run, resume=True, latest=is_a_persons(composed, run))


def changed(run: RunDirectory, overrides: Sequence[str]) -> Composed:
    """Return the configuration that a run goes on with. Raises UserError where it cannot, or not with these changes."""
    refused = [override for override in overrides if not may_change(override)]
    if refused:
        raise UserError(
            f"resume={run.path} continues that run with its own configuration; {', '.join(refused)} would change its "
            f"result. What may change: {', '.join(RESUME.acts)}. Leave out resume= to start a new run."
        )
    composed = saved.apply(saved.load(run.compose), overrides)
    if status_of(run.path) == "finished" and not run.checkpoint("last").exists():
        raise UserError(f"resume={run.path}: this run has finished and kept no checkpoint to go on from")
    return composed


def reopen(path: str, overrides: Sequence[str]) -> tuple[RunDirectory, dict[str, Any]]:
    """Return a run and its saved configuration with overrides, checked, to look at it; its threads are restored."""
    run = open_run(path)
    config = saved.plain(saved.apply(saved.load(run.compose), overrides).config)
    prepare_process(config["threads"])
    return run, config


def may_change(override: str, work: Work = RESUME) -> bool:
    """Return whether an override is one of those that are accepted, as of a run that is continued."""
    return work.refusal(override.lstrip("+~").partition("=")[0]) is None


def settled(composed: Composed) -> dict[str, Any]:
    """Return a new run's configuration resolved, with what is found out in place of what was left open.

    Raises UserError where what it is to start from is missing or does not fit.
    """
    settle_threads(composed)
    settle_source(composed)
    figures.settle_modes(composed)
    return saved.plain(composed.config)


def settle_threads(composed: Composed) -> None:
    """Put a number in place of `threads=auto`, and say which: see `automatic_threads`."""
    if composed.config.threads == "auto":
        trainer = saved.plain(composed.config)["trainer"]
        processes = (ranks.devices_of(trainer) or 1) if trainer.get("accelerator") == "cpu" else 1
        number, why = automatic_threads(processes)
        OmegaConf.update(composed.config, "threads", number)
        if is_main_process():
            print(f"threads=auto: {number}, {why}", file=sys.stderr)


def is_main_process() -> bool:
    """Return whether this is not a further rank that Lightning, torchrun or srun started."""
    return ranks.is_first()


def require_same_configuration(config: Mapping[str, Any], run: RunDirectory) -> None:
    """Write down what a further process was told to train, and end it where that is not what the first one trains.

    Raises RuntimeError there: processes that average gradients of different trainings would give no error at all.
    """
    mine, first = digest_of(config), digest_of(saved.plain(saved.load(run.compose).config))
    number = ranks.rank(config["trainer"])
    ranks.note(run.path, number, digest=mine, first=first, config=dict(config))
    if mine != first:
        raise RuntimeError(f"process {number} was given another configuration than {run.config}")


def _train(config: dict[str, Any], run: RunDirectory, *, resume: bool, latest: bool = False) -> None:
    """Run the recipe, and write down how it ended whichever way it does."""
    if not is_main_process():
        require_same_configuration(config, run)
    prepare_process(config["threads"], run.path / "log.txt")
    from src.callbacks.checkpoint import Interrupted
    from src.callbacks.pruning import Pruned
    from src.runs.record import Record
    from src.runs.stopping import ending_at_signals
    from src.runs.training import train

    record = Record.begin(
        run.record if is_main_process() else None,
        packages=config["allowed_packages"],
        seed=config["seed"],
        threads=config["threads"],
        wandb_id=_wandb_id(run),
    )
    try:
        with ending_at_signals():
            outcome = train(config, run, record, resume=resume, latest=latest)
    except Interrupted as interruption:
        record.end("interrupted", str(interruption))
        saved_where = "Saved" if run.checkpoint("last").exists() else "Stopped before the first checkpoint"
        if is_main_process():
            print(f"{saved_where}. Continue with: python -m src.train resume={shown(run.path)}", file=sys.stderr)
        sys.exit(128 + interruption.signum)
    except Pruned as pruned:
        record.end("pruned", str(pruned))
        if is_main_process():
            print(pruned, shown(run.path), sep="\n")
        return
    except RuntimeError as error:
        if not ranks.is_loss_of_others(error):
            record.end("failed", f"{type(error).__name__}: {error}")
            raise
        record.end("failed", f"the other processes were lost: {error}")
        sys.exit(ranks.loss_message(error, config["trainer"], shown(run.path)))
    except KeyboardInterrupt:  # before signals are answered here, or after
        record.end("interrupted", "interrupted by SIGINT")
        raise
    except BaseException as error:
        record.end("failed", f"{type(error).__name__}: {error}")
        raise
    record.end("finished")
    if is_main_process():
        from src.runs.results import write_report

        write_report(run, outcome.model, outcome.data, outcome.split)
        print_figures(outcome.figures)
        print(shown(run.path))


def _wandb_id(run: RunDirectory) -> str:
    """Return the W&B id of a run: the one in its record, or a new one made from its directory and the time."""
    import time

    if known := read_record(run.path).get("wandb_id"):
        return str(known)
    if os.environ.get("WANDB_SWEEP_ID") and os.environ.get("WANDB_RUN_ID"):  # W&B's own sweep has given it one
        return os.environ["WANDB_RUN_ID"]
    return hashlib.blake2b(f"{run.path} {time.time_ns()}".encode(), digest_size=6).hexdigest()


def print_figures(figures: Mapping[str, float]) -> None:
    """Print the final figures, a line each, by their names in metrics.json; what they must surpass comes apart."""
    width = max(map(len, figures), default=0)
    baselines = [key for key in figures if BASELINE in key]
    for title, keys in (("", figures.keys() - baselines), ("baselines, not the model's:", baselines)):
        if title and keys:
            print(title)
        for split in ("train", "val", "test", "all"):
            for key in sorted(keys):
                if key.startswith(f"{split}/"):
                    print(f"{key:{width}}  {figures[key]:.4f}")


def show_first_batch(config: dict[str, Any], name: str) -> None:
    """Save a picture of the first training batch, and print where."""
    prepare_process(config["threads"])
    from src.runs.first_batch import save_first_batch

    print(shown(save_first_batch(config, name)))


def prepare_process(threads: int, log: Path | None = None) -> None:
    """Set the CPU threads before torch is imported, here and in further ranks; send what is logged where it belongs.

    That is standard error and, for a training, the run's log. What Lightning says of itself is left out.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)
    terminal = logging.StreamHandler()
    terminal.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger()
    root.handlers = [terminal]
    if log is not None and is_main_process():
        file = logging.FileHandler(log, delay=True, encoding="utf-8", errors=PRINTABLE)
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.handlers.append(file)
    root.setLevel(logging.WARNING)
    logging.getLogger("src").setLevel(logging.INFO if is_main_process() else logging.WARNING)
    logging.captureWarnings(True)
    for message in EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    from src.runs.imports import import_lightning

    gc.disable()  # importing only adds to what there is: looking through it takes a fifth of the time
    import_lightning()  # sets the level of its loggers when it is imported
    import torch

    gc.enable()
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)  # debug=profile prints its table there
    torch.set_num_threads(threads)


EXPECTED_WARNINGS = (
    r".*does not have many workers.*",  # chosen: data.num_workers
    r".*dataloader is not resumable.*",  # it is: ImageData saves where it stands
    r".*smaller than the logging interval.*",
    r".*exists and is not empty.*",
    r".*Total length of `list` across ranks is zero.*",  # data.val_fraction=0
    r".*`srun` command is available.*",  # on a cluster's machine, and not meant
    r".*module\(s\) in eval mode at the start of training.*",  # frozen
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*It is recommended to use `self.log.*sync_dist=True.*",  # the metrics are of all processes already
)


def shown(path: Path) -> Path:
    """Return a path as a person would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
