"""A study that searches the likelihood."""

from __future__ import annotations

NAMES = ["mse", "gaussian", "ordinal"]


def test_a_likelihood_is_an_axis_of_the_space(workplace):
    reader = workplace.start(
        workplace.write_study(
            space={"likelihood": {"choice": NAMES}},
            known=[{"name": name, "likelihood": name} for name in NAMES],
            trials=3,
        )
    )
    trials = reader.trials()
    searched = [reader.show(trial["number"])["config"]["likelihood"] for trial in trials]
    assert searched == NAMES
    assert {trial["state"] for trial in trials} == {"complete"}
    assert len({trial["val_mse"] for trial in trials}) > 1


def test_a_likelihood_that_does_not_suit_the_ratings_fails_its_trials_with_the_reason(workplace):
    path = workplace.folder / "ratings" / "ratings.csv"
    head, *lines = path.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    for at, row in enumerate(rows):
        row[2] = str(1 + 4 * at / len(rows))
    path.write_text("\n".join([head, *map(",".join, rows)]) + "\n")
    base = {**workplace.base, "likelihood": "ordinal"}
    reader = workplace.start(workplace.write_study(base=base, trials=1))
    [trial] = reader.trials()
    assert trial["state"] == "failed"
    assert "likelihood ordinal needs 2 to 50 distinct ratings" in trial["reason"]
