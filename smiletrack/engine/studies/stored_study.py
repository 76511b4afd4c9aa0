"""A search that outlives its processes: a file or database of trials, which any number of them share."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np

from smiletrack.engine.studies.search_space import RangeConfig
from smiletrack.errors import InputError, shown
from smiletrack.files import naming
from smiletrack.lazy import LazyModule

optuna = LazyModule("optuna")

_NAME, _SEARCH, _PROCESS = "tracker", "search", "process"


class StoredStudy:
    """The trials of one search, as one of its processes sees them."""

    def __init__(self, address: str, made_for: Mapping[str, Any], seed: int = 0, rank: int = 0) -> None:
        """Open or make the study at `address`, a database (`postgresql://...`) or a file.

        made_for: all that the scores depend on, as plain values. seed, rank: of this process's draws. Raises InputError
        where the study is of another search, or is damaged. Trials of processes of this machine that are gone no longer
        count as running.
        """
        self.address, self._seed, self._rank = address, seed, rank
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with self._damage_in_one_line():
            storage = address if "://" in address else _journal(Path(address))
            self._study = optuna.create_study(
                storage=storage, study_name=_NAME, direction="maximize", load_if_exists=True
            )
            if _SEARCH not in self._study.user_attrs and not self._study.trials:
                self._study.set_user_attr(_SEARCH, json.dumps(made_for))
            before = json.loads(self._study.user_attrs.get(_SEARCH, "{}"))
            self._end_dead_trials()
        self._refuse_another(before, json.loads(json.dumps(made_for)))

    def _refuse_another(self, before: Any, now: dict[str, Any]) -> None:
        before = before if isinstance(before, dict) else {}
        for name in now:
            if before.get(name) != now[name]:
                was = shown(before[name], 60) if name in before else "not told"
                raise InputError(
                    f"{self.address}: is of another search: {name} was {was}, now it is {shown(now[name], 60)}; search"
                    " in another folder (--output), or remove it"
                )

    def _end_dead_trials(self) -> None:
        for trial in self._trials("RUNNING"):
            host, process = trial.user_attrs.get(_PROCESS, ("", 0))  # another process has just begun it
            if host == socket.gethostname() and not _runs_elsewhere(process):
                self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def begin_with(self, values: Mapping[str, Any]) -> None:
        """Let these values be tried first, where nothing has been tried and nothing is about to be."""
        with self._damage_in_one_line():
            if not self._trials("COMPLETE", "WAITING"):
                self._study.enqueue_trial(dict(values))

    def draw(self, space: Mapping[str, RangeConfig]) -> tuple[Any, dict[str, Any]]:
        """Return a new trial and its values.

        They are a function of the seed and of what is done and runs, so that a search that was stopped goes on as if it
        had not been.
        """
        with self._damage_in_one_line():
            key = np.random.SeedSequence((self._seed, self._rank, self.num_done(), len(self._trials("RUNNING"))))
            seed = int(key.generate_state(1)[0])
            self._study.sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
            trial = self._study.ask()
            trial.set_user_attr(_PROCESS, [socket.gethostname(), os.getpid()])
            return trial, {name: values.draw(trial, name) for name, values in space.items()}

    def tell(self, trial: Any, scores: list[float] | None) -> None:
        """Store the scores of a trial's parts, whose mean is its value; None: no tracker has such values."""
        with self._damage_in_one_line():
            if scores is None:
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return
            trial.set_user_attr("scores", scores)
            self._study.tell(trial, sum(scores) / len(scores))

    def num_done(self) -> int:
        """Return how many trials have an end; one whose process was killed has none."""
        with self._damage_in_one_line():
            return len(self._trials("COMPLETE", "PRUNED"))

    def best(self) -> Any:
        """Return the best trial, which there is once the start was tried."""
        return self._study.best_trial

    def importances(self) -> dict[str, float]:
        """Return how much of the difference between good and bad trials each key explains; {} for too few trials."""
        if len(self._trials("COMPLETE")) < 10:
            return {}
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(optuna.importance.get_param_importances(self._study, evaluator=evaluator))

    def _trials(self, *states: str) -> list[Any]:
        wanted = tuple(optuna.trial.TrialState[state] for state in states)
        return list(self._study.get_trials(deepcopy=False, states=wanted))

    @contextmanager
    def _damage_in_one_line(self) -> Iterator[None]:
        """Whatever Optuna stumbles over in a file that is no journal is the file's fault, and a full disk names it."""
        try:
            with nullcontext() if "://" in self.address else naming(Path(self.address)):
                yield
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError) as error:
            if "://" in self.address:
                raise
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise InputError(
                f"{self.address}: not a whole study ({reason}); remove it, or search in another folder: --output"
            ) from None


def _runs_elsewhere(process: int) -> bool:
    """Tell whether another process of this number is alive."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, but alive
        return True
    return True


def _journal(file: Path) -> Any:
    """Return the storage in a file: a line for each step, appended; on network folders too."""
    journal = optuna.storages.journal
    backend = journal.JournalFileBackend(str(file), _FileLock(file.with_name(f".{file.name}.lock")))
    return optuna.storages.JournalStorage(backend)


class _FileLock:
    """Optuna's own locks stay behind when a process is killed, for half a minute; the system gives this one back."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stream: IO[str] | None = None

    def acquire(self) -> bool:
        self._stream = self._file.open("a")
        fcntl.flock(self._stream, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        if self._stream is not None:
            self._stream.close()
