"""The file of a parameter search: one study, gone on with by those who ask for the same search and nobody else."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from smiletrack.errors import InputError, shown

_SEARCH, _PROCESS = "search", "process"
_NAME = "tracker"
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def open_search(file: Path, search: dict[str, Any]) -> optuna.Study | None:
    """Return the study in `file`, None where there is none yet.

    search: all that the scores depend on, as plain values. Raises InputError, which names the first thing that differs,
    where the study is of another search, and where the file is damaged or no study. Trials of processes of this machine
    that are gone no longer count as running.
    """
    if not file.is_file():
        return None
    try:
        study = optuna.load_study(study_name=_NAME, storage=f"sqlite:///{file}")
        before = json.loads(study.user_attrs.get(_SEARCH, "{}"))
        study.get_trials()
    except Exception as error:  # SQLite, SQLAlchemy and Optuna each have their own
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(
            f"{file}: not a whole study ({reason}); remove it, or search in another folder: --output"
        ) from None
    now = json.loads(json.dumps(search))
    for name in now:
        if not isinstance(before, dict) or before.get(name) != now[name]:
            was = shown(before[name], 60) if isinstance(before, dict) and name in before else "not told"
            raise InputError(
                f"{file}: is of another search: {name} was {was}, now it is {shown(now[name], 60)}; search in another "
                "folder (--output), or remove the file"
            )
    _end_dead_trials(study)
    return study


def create_search(file: Path, search: dict[str, Any]) -> optuna.Study:
    """Make the study of a search, or take the one that another process has just made."""
    study = optuna.create_study(
        storage=f"sqlite:///{file}", study_name=_NAME, direction="maximize", load_if_exists=True
    )
    study.set_user_attr(_SEARCH, json.dumps(search))
    return study


def num_done(study: optuna.Study) -> int:
    """Return how many trials have an end; those that failed or were killed have none."""
    return len(study.get_trials(deepcopy=False, states=_DONE))


def reseed(study: optuna.Study, seed: int) -> None:
    """Make the next draw a function of the seed, the trials that are done and how many run.

    So a search that was stopped goes on as if it had not been.
    """
    running = len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
    key = (seed * 1_000_003 + num_done(study) * 1009 + running) % 2**32
    study.sampler = optuna.samplers.TPESampler(seed=key, multivariate=True)


def sign(trial: optuna.Trial) -> None:
    """Note which process computes a trial."""
    trial.set_user_attr(_PROCESS, [socket.gethostname(), os.getpid()])


def _end_dead_trials(study: optuna.Study) -> None:
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, process = trial.user_attrs.get(_PROCESS, (socket.gethostname(), 0))
        if host == socket.gethostname() and not _runs_elsewhere(process):
            study.tell(trial.number, state=TrialState.FAIL)


def _runs_elsewhere(process: int) -> bool:
    """Tell whether another process of this number is alive."""
    if process in (0, os.getpid()):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, but alive
        return True
    return True
