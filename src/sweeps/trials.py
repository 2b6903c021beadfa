"""A search: an optuna study that is asked for points and told what they reached."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src import seeds
from src.config.build import build
from src.config.signatures import signature
from src.errors import UserError
from src.files import write_text
from src.sweeps.job import Job, State
from src.sweeps.space import Dimension
from src.sweeps.storage import open_storage

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

OWNER, ALIVE, JOB, AGAIN = "owner", "alive", "job", "again"
"""What is noted of a trial: the id of its sweep, when it was last alive, its directory, and which trial it repeats."""


COMPUTING = ("GPSampler", "BoTorchSampler")
"""Samplers that draw with torch."""


@dataclass
class Trials:
    """The jobs of a search.

    A trial that was cut off is not asked for anew: its job goes on under its own number. So a study has as many trials
    as were wanted, however often the sweep was killed. Trials that other sweeps run on the same storage count too.
    """

    section: Mapping[str, Any]
    """The section `search`, resolved."""
    dimensions: Sequence[Dimension]
    name: str
    """The study's."""
    folder: Path
    """The sweep's directory."""
    make: Callable[[Mapping[str, str]], Job]
    """How a job is made of its swept values."""
    retry_failed: bool = False
    _numbers: dict[str, int] = field(default_factory=dict)
    _told: bool = False

    def __post_init__(self) -> None:
        """Open the study, and take up the trials that an earlier start left unfinished.

        Raises UserError where the objectives are not as many as their directions, the storage cannot be used, or the
        study has drawn a key from something else.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.distributions = {dimension.key: dimension.distribution() for dimension in self.dimensions}
        self.by_key = {dimension.key: dimension for dimension in self.dimensions}
        self.metrics, directions = objectives(self.section)
        self.storage = open_storage(self.section["storage"], self.folder)
        self.owner = owner(self.folder)
        self.study = optuna.create_study(
            storage=self.storage,
            study_name=self.name,
            directions=["minimize" if direction == "min" else "maximize" for direction in directions],
            pruner=build(self.section["pruner"]) if self.section["pruner"] else optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        self._require_one_space()
        self._left = [trial for trial in self._in_state("RUNNING") if self._is_mine(trial)]
        if self.retry_failed:
            self._retry()

    @property
    def total(self) -> int:
        """How many trials there will be."""
        return int(self.section["n_trials"])

    @property
    def waits(self) -> bool:
        """Whether other machines run trials, of which one may die and leave its trial to this one."""
        if self.section["storage"] is None:
            return False
        waits = any(not self._is_mine(trial) for trial in self._in_state("RUNNING"))
        if waits and not self._told:
            print("Waiting for trials of other machines, to run again what is not heard of.", file=sys.stderr)
            self._told = True
        return waits

    @property
    def where(self) -> dict[str, Any] | None:
        """What a job needs to report to its trial; None where no trial is ever stopped early."""
        if self.section["pruner"] is None:
            return None
        return {
            "storage": self.section["storage"],
            "name": self.name,
            "metric": self.metrics[0],
            "pruner": self.section["pruner"],
        }

    def next(self) -> Job | None:
        """Return a trial that was left unfinished, else a new one, until there are enough."""
        if self._left:
            return self._job(self._left.pop(0))
        self._take_over_the_dead()
        if len(counted(self.study.get_trials(deepcopy=False))) >= self.total:
            return None
        self.study.sampler = sampler(self.section["sampler"], len(self.study.get_trials(deepcopy=False)))
        trial = self.study.ask(fixed_distributions=self.distributions)
        self._note(trial._trial_id, OWNER, self.owner)
        return self._job(self._frozen(trial))

    def _job(self, trial: FrozenTrial) -> Job:
        if missing := [key for key in self.distributions if key not in trial.params]:
            raise UserError(
                f"trial {trial.number} of {self.name} has no {', '.join(missing)}: type search.study=ANOTHER"
            )
        job = self.make({key: self.by_key[key].written(trial.params[key]) for key in self.distributions})
        job.trial = trial.number
        self._numbers[job.name] = trial.number
        self._note(trial._trial_id, JOB, str(job.path))
        self._note(trial._trial_id, ALIVE, time.time())
        return job

    def ended(self, job: Job, state: State) -> None:
        """Tell the study what a job reached. One that was only cut off is left to the next start.

        Raises UserError where it has no figure to go by; the trial has failed then.
        """
        from optuna.trial import TrialState

        number = self._numbers[job.name] if job.trial is None else job.trial
        if state == "finished":
            figures = job.figures()
            if missing := [name for name in self.metrics if name not in figures]:
                self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
                raise UserError(
                    f"search.metric={', '.join(missing)}: {job.path} has no such figure ({', '.join(figures)})"
                )
            self.study.tell(number, [figures[name] for name in self.metrics], skip_if_finished=True)
        elif state == "pruned":
            self.study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
        elif state in ("failed", "stale"):
            self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)

    def alive(self, jobs: Sequence[Job]) -> None:
        """Note for other machines on the same storage that trials are not given up: their jobs run, or wait here.

        So do those that an earlier start left and that have not had their turn.
        """
        if self.section["storage"] is None:
            return
        numbers = [job.trial for job in jobs if job.trial is not None] + [trial.number for trial in self._left]
        for number in numbers:
            self._note(self._id(number), ALIVE, time.time())

    def _take_over_the_dead(self) -> None:
        """Queue trials of others again that nobody has been heard of for `dead_after` seconds."""
        from optuna.trial import TrialState

        if self.section["storage"] is None:
            return
        for trial in self._in_state("RUNNING"):
            heard = trial.user_attrs.get(ALIVE) or (trial.datetime_start.timestamp() if trial.datetime_start else 0.0)
            if not self._is_mine(trial) and time.time() - heard > self.section["dead_after"]:
                if set(self.distributions) <= set(trial.params):
                    self.study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def _retry(self) -> None:
        """Queue the trials that failed again, each once."""
        trials = self.study.get_trials(deepcopy=False)
        repeated = {trial.user_attrs.get(AGAIN) for trial in trials}
        for trial in self._in_state("FAIL"):
            if JOB in trial.user_attrs and trial.number not in repeated:
                self.study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})

    def stale(self) -> list[Job]:
        """Return jobs of earlier trials that ran with another configuration, one for each kind of point."""
        found: dict[tuple[Any, ...], Job] = {}
        for trial in self.study.get_trials(deepcopy=False):
            kind = tuple(trial.params.get(key) for key, dimension in self.by_key.items() if dimension.choices)
            if kind not in found and JOB in trial.user_attrs and self._is_mine(trial):
                values = {key: self.by_key[key].written(trial.params[key]) for key in self.distributions}
                found[kind] = self.make(values)
        return [job for job in found.values() if job.state() == "stale"]

    def _require_one_space(self) -> None:
        """Raise UserError where earlier trials drew a key from other choices, or from another kind of stretch."""
        from optuna.distributions import check_distribution_compatibility

        for trial in self.study.get_trials(deepcopy=False):
            for key in self.distributions.keys() & trial.distributions.keys():
                earlier = trial.distributions[key]
                try:
                    check_distribution_compatibility(earlier, self.distributions[key])
                except ValueError as error:
                    had = ",".join(map(str, getattr(earlier, "choices", ()))) or str(earlier)
                    raise UserError(
                        f"{self.by_key[key].text}: the study {self.name} has drawn {key} from {had}. A search goes on "
                        "with more trials or other ends of a stretch, not with other choices or another scale: type "
                        "sweep_dir=ANOTHER (and search.study=ANOTHER where you named one) to begin another"
                    ) from error

    def _is_mine(self, trial: FrozenTrial) -> bool:
        """Return whether this sweep runs a trial; in a journal of its own it runs all of them."""
        return self.section["storage"] is None or trial.user_attrs.get(OWNER) == self.owner

    def _in_state(self, name: str) -> list[FrozenTrial]:
        from optuna.trial import TrialState

        found = self.study.get_trials(deepcopy=False, states=[TrialState[name]])
        whole = [trial for trial in found if set(self.distributions) <= set(trial.params)]
        for trial in found:
            if (
                name == "RUNNING" and self.section["storage"] is None and trial not in whole
            ):  # killed while it was drawn
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        return whole if self.section["storage"] is None else found

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)

    def _note(self, trial_id: int, key: str, value: Any) -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            self.storage.set_trial_user_attr(trial_id, key, value)
        except UpdateFinishedTrialError:  # another machine has given it up
            return

    def _frozen(self, trial: Trial) -> FrozenTrial:
        return self.storage.get_trial(trial._trial_id)


def owner(folder: Path) -> str:
    """Return the id of the sweep in a directory, made when first asked for.

    Not its path: machines with disks of their own may have equal ones.
    """
    path = folder / ".owner"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, uuid.uuid4().hex)
    return path.read_text()


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that count towards the total: not those that were repeated, nor such as never had a job."""
    from optuna.trial import TrialState

    repeated = {trial.user_attrs.get(AGAIN) for trial in trials}
    return [
        trial
        for trial in trials
        if trial.number not in repeated
        and trial.state is not TrialState.WAITING
        and (trial.state is not TrialState.FAIL or JOB in trial.user_attrs)
    ]


def objectives(section: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the metrics and their directions. Raises UserError where a search cannot go by them."""
    metrics, directions = (
        list(value) if isinstance(value, list) else [str(value)] for value in (section["metric"], section["direction"])
    )
    if len(metrics) != len(directions):
        raise UserError(
            f"search.metric names {len(metrics)} and search.direction {len(directions)}: type a direction for each, as "
            "in 'search.metric=[val/accuracy,val/loss]' 'search.direction=[max,min]'"
        )
    if seen := [name for name in metrics if name.startswith("test/")]:
        raise UserError(
            f"search.metric={seen[0]}: choosing by the test split leaves nothing to test with; type val/..."
        )
    if len(metrics) > 1 and section["pruner"] is not None:
        raise UserError("pruner: a trial with several objectives cannot be stopped early; leave pruner= away")
    return metrics, directions


def computes(section: Mapping[str, Any]) -> bool:
    """Return whether a search draws with torch in the sweep's own process, which cannot be copied from then on.

    Threads of OpenMP do not follow into a copy, which would wait for them for ever, and autograd refuses to run in a
    copy of a process in which it has seen a GPU.
    """
    section = section["sampler"] or {}
    return str(section.get("_target_", "")).rpartition(".")[2] in COMPUTING


def sampler(section: Mapping[str, Any], number: int) -> BaseSampler:
    """Return the sampler that draws trial `number`, from a stream of its own.

    So a search that was stopped goes on to draw what it would have drawn. Points of a sequence (QMC) must share one
    scrambling.
    """
    wanted = signature(str(section["_target_"])).parameters
    seed = section.get("seed")
    if "seed" in wanted and isinstance(seed, int) and "scramble" not in wanted:
        section = {**section, "seed": seeds.stream(seed, "search", number) % 2**32}
    found: BaseSampler = build(section)
    return found
