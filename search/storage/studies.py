"""What this program keeps of a study besides its trials: system attributes of Optuna's study."""

from __future__ import annotations

from optuna.storages import RDBStorage

SPEC = "recsys_search:spec"  # the study file as JSON, after the command line's overrides
FINGERPRINT = "recsys_search:fingerprint"  # of the ratings that the study was created on


def read_stored_specs(storage: RDBStorage) -> dict[str, str]:
    """This program's studies in a storage: name -> spec, as `spec_from_json` takes it.

    They are not parsed here: one that another version wrote must not hide the others.
    """
    return {
        study.study_name: study.system_attrs[SPEC]
        for study in storage.get_all_studies()
        if SPEC in study.system_attrs
    }
