"""Notes and figures in the storage, for optuna-dashboard started without this program too.

The processes that run a study write them: after each trial its note, and from time to time the
study's note and its figures. What that costs is bounded, whatever the number of trials:

- The storage holds the notes of the latest and the best trials only; `page_notes.py` says why.
- The study's note and the figures read all trials, so they wait until that took at most a
  hundredth of the time, over all processes of the study.
- The figures show a sample of many trials; see `stored_figures.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from time import time

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from ...model.evaluation.metrics import Metric
from ..results.reader import StudyReader
from ..storage.claims import study_transaction
from ..storage.trials import CONFIG, INTERRUPTED, best_trials, trial_record, trial_state
from .stored_notes import Note, read_note, remove_note, write_figure, write_note
from .study_text import study_text, update_own_part
from .trial_text import trial_text

LATEST, BEST = 40, 10  # trials whose notes the storage holds
NOTE_EVERY_S, FIGURES_EVERY_S = 60.0, 300.0
SHARE = 0.01  # of the time that writing may take
MIN_TRIALS = 5  # before the figures of a study say anything

_NOTED = "recsys_search:noted_trials"  # IDs of the trials whose notes this program has stored
_DUE = "recsys_search:dashboard_due"  # what is written from time to time -> when it is again
_AS_OF = "recsys_search:note_as_of"  # when the study was read for its note
_DRAWN = "recsys_search:figures_drawn"  # how many trials had ended before the last figures
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Enrichment:
    """Writes the notes and figures of one study, in one of the processes that run it."""

    def __init__(self, storage: RDBStorage, study_id: int, name: str, url: str) -> None:
        self._storage = storage
        self._study_id = study_id
        self._name = name
        self._url = url

    def trial_ended(
        self, trials: Sequence[FrozenTrial], number: int, metric: Metric, bias: float | None
    ) -> None:
        """Store the note of a trial that has ended, and remove one that is neither late nor good.

        Args:
            trials: of the study, by number.
            bias: validation RMSE of the bias baseline.
        """
        trial = trials[number]
        if trial_state(trial) == INTERRUPTED:  # it is run again
            return
        record, config = trial_record(trial, metric), trial.system_attrs.get(CONFIG)
        text = trial_text(record, config, metric, self._name, bias)
        ended = [each for each in trials if each.state.is_finished()]
        kept = {each._trial_id for each in (*ended[-LATEST:], *best_trials(ended, metric)[:BEST])}
        self._keep_note(trial._trial_id, text, kept)

    def update(self, *, is_last: bool = False, with_figures: bool = True) -> None:
        """Bring the study's note and figures up to date, if it is time.

        Args:
            is_last: this process is about to end; the note is written in any case, and the figures
                if no other process runs a trial.
        """
        self._update_note(now=is_last)
        if with_figures:
            self._update_figures(now=is_last)

    def _keep_note(self, trial_id: int, text: str, kept: Collection[int]) -> None:
        with study_transaction(self._storage, self._study_id) as transaction:
            noted = set(transaction.study_attr(_NOTED) or ())
            if read_note(transaction, trial_id).version == 0:
                write_note(transaction, trial_id, Note(1, text))
                noted.add(trial_id)
            for dropped in noted - set(kept):
                # Another version is that of a person who has edited it.
                if read_note(transaction, dropped).version == 1:
                    remove_note(transaction, dropped)
            transaction.set_study_attr(_NOTED, sorted(noted & set(kept)))

    def _update_note(self, *, now: bool) -> None:
        as_of = time()
        if not self._claim("note", NOTE_EVERY_S, now=now):
            return
        with _reading(self._url, self._name) as reader:
            text = study_text(reader.progress(), self._url, as_of)
        with study_transaction(self._storage, self._study_id) as transaction:
            if as_of < (transaction.study_attr(_AS_OF) or 0.0):
                return  # another process has read the study after this one
            transaction.set_study_attr(_AS_OF, as_of)
            stored = read_note(transaction, None)
            body = update_own_part(stored.body, text)
            if body != stored.body:
                write_note(transaction, None, Note(stored.version + 1, body))
        self._postpone("note", NOTE_EVERY_S, time() - as_of)

    def _update_figures(self, *, now: bool) -> None:
        started_at = time()
        if now and not self._last_figures_are_due():
            return
        if not self._claim("figures", FIGURES_EVERY_S, now=now):
            return
        from .stored_figures import stored_figures  # imports plotly

        with _reading(self._url, self._name) as reader:
            figures = stored_figures(reader, min_trials=MIN_TRIALS)
        if figures:
            with study_transaction(self._storage, self._study_id) as transaction:
                for name, figure in figures.items():
                    write_figure(transaction, name, figure)
        self._postpone("figures", FIGURES_EVERY_S, time() - started_at)

    def _last_figures_are_due(self) -> bool:
        """Whether no trial runs, and no other process draws the figures of all that have ended."""
        with study_transaction(self._storage, self._study_id) as transaction:
            if transaction.count(TrialState.RUNNING) > 0:
                return False
            n_ended = transaction.count(*_ENDED)
            if transaction.study_attr(_DRAWN) == n_ended:
                return False
            transaction.set_study_attr(_DRAWN, n_ended)
            return True

    def _claim(self, kind: str, every_s: float, *, now: bool) -> bool:
        """Whether this process writes now; then no other does until it is due again."""
        with study_transaction(self._storage, self._study_id) as transaction:
            due = transaction.study_attr(_DUE) or {}
            if not now and time() < due.get(kind, 0.0):
                return False
            transaction.set_study_attr(_DUE, {**due, kind: time() + every_s})
            return True

    def _postpone(self, kind: str, every_s: float, took_s: float) -> None:
        """Let no process write again before that takes at most `SHARE` of the time."""
        with study_transaction(self._storage, self._study_id) as transaction:
            due = transaction.study_attr(_DUE) or {}
            at = time() + max(every_s, took_s / SHARE)
            transaction.set_study_attr(_DUE, {**due, kind: at})


@contextmanager
def _reading(url: str, name: str) -> Iterator[StudyReader]:
    """A reader of the study, whose connections are closed when the block ends.

    An open one would keep SQLite's log next to the database after the last writer has left.
    """
    reader = StudyReader(url, name)
    try:
        yield reader
    finally:
        reader.storage.engine.dispose()
