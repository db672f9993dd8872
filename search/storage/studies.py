"""What a study leaves in a storage besides its trials."""

from __future__ import annotations

from optuna.storages import RDBStorage

SPEC = "recsys_search:spec"


FINGERPRINT = "recsys_search:fingerprint"


def stored_specs(storage: RDBStorage) -> dict[str, str]:
    """This program's studies in a storage by name, as `spec_from_json` takes them.

    Not parsed here: one that another version wrote shall not bar the way to the others.
    """
    return {
        study.study_name: study.system_attrs[SPEC]
        for study in storage.get_all_studies()
        if SPEC in study.system_attrs
    }
