"""The comparison with other libraries: paired differences, its file, its tables; by hand."""

import importlib
import json
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
import torch
from pytest import approx
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.ledger import Ledger
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_fingerprint
from recsys_search.model.evaluation.ranking import full_catalogue

T_OF_THREE_PAIRS = 4.30265  # Student's t, 2 degrees of freedom, 95%


@pytest.fixture
def quality():
    return importlib.import_module("benchmarks.quality.peers")


@pytest.fixture
def figures(quality):
    return importlib.import_module("benchmarks.quality.comparison.figures")


@pytest.fixture
def measuring(quality):
    return importlib.import_module("benchmarks.quality.comparison.measuring")


@pytest.fixture
def table(quality):
    return importlib.import_module("benchmarks.quality.comparison.table")


@pytest.fixture
def results(quality, tmp_path):
    return quality.Results({"fingerprint": "a"}, tmp_path / "errors")


def run(split_seed, seed, rmse=None, **figures):
    return {"split_seed": split_seed, "seed": seed, "rmse": rmse, "cpu_seconds": 1.0, **figures}


def measured(measuring, split_seed, seed, errors):
    """A run with these errors of each rating."""
    errors = np.array(errors, dtype=float)
    return measuring.Measured(run(split_seed, seed, rmse=sqrt(np.mean(errors**2))), errors, None)


@pytest.fixture
def cut(measuring):
    return measuring.Cut.of(demo_ratings(2_000), "demo:2k", 42, "validation")


def test_a_row_without_seeds_is_paired_with_each_seed_of_the_other(figures):
    ours = [run(42, 1, 0.8), run(42, 2, 0.7), run(43, 1, 0.6), run(44, 1, 0.5)]
    biases = [run(42, None, 0.9), run(43, None, 0.95)]
    assert figures.pairs(ours, biases, "rmse") == [(0.8, 0.9), (0.7, 0.9), (0.6, 0.95)]
    assert figures.pairs(biases, biases, "rmse") == [(0.9, 0.9), (0.95, 0.95)]


def test_seeds_that_only_one_row_has_are_left_out(figures):
    assert figures.pairs([run(42, 1, 0.8), run(42, 2, 0.7)], [run(42, 2, 0.9)], "rmse") == [
        (0.7, 0.9)
    ]


def test_the_interval_over_runs_is_student_s_of_the_paired_differences(figures):
    """Differences of 0.1, 0.2 and 0.3: their standard deviation is 0.1."""
    ours = [run(42, 1, 0.8), run(43, 1, 0.7), run(44, 1, 0.6)]
    others = [run(split, 1, 0.9) for split in (42, 43, 44)]
    found = figures.better_over_runs(ours, others, "rmse", overlap=0.125)
    half_width = T_OF_THREE_PAIRS * 0.1 * sqrt(1 / 3 + 0.125)
    assert found == approx((0.2, 0.2 - half_width, 0.2 + half_width), rel=1e-4)
    assert figures.better_over_runs(ours[:2], others, "rmse", overlap=0.125) is None


def test_a_higher_ndcg_and_a_lower_rmse_are_better(figures):
    higher = [run(split, 1, 0.9, ndcg=0.9) for split in (1, 2, 3)]
    lower = [run(split, 1, 0.8, ndcg=0.8) for split in (1, 2, 3)]
    assert figures.better_over_runs(higher, lower, "ndcg", 0).mean == approx(0.1)
    assert figures.better_over_runs(higher, lower, "rmse", 0).mean == approx(-0.1)


def test_the_gain_over_ratings_gives_each_seed_the_same_weight(figures):
    """Mean squared errors of each rating: (1 + 9) / 2 and 5, against 9 and 9."""
    gain = figures.better_over_rows(
        [np.array([1.0, 2.0]), np.array([3.0, sqrt(6)])], [np.array([3.0, -3.0])]
    )
    assert gain.rmse == gain.low == gain.high == approx(3 - sqrt(5))


def test_a_difference_is_a_tie_if_its_interval_contains_zero(figures):
    assert figures.is_tie(-0.1, 0.2)
    assert not figures.is_tie(0.1, 0.2)
    assert not figures.is_tie(-0.2, -0.1)


def test_a_run_replaces_that_of_its_split_and_seed_and_keeps_the_others(results, measuring):
    for split, seed, error in [(42, 1, 0.5), (43, 1, 0.6), (42, 2, 0.7), (42, 1, 0.8)]:
        results.add("mf", "ours", {"l2": 1}, measured(measuring, split, seed, [error]))
    rmse = {(each["split_seed"], each["seed"]): each["rmse"] for each in results.runs("mf")}
    assert rmse == {(42, 1): approx(0.8), (42, 2): approx(0.7), (43, 1): approx(0.6)}


def test_runs_of_other_settings_are_dropped(results, measuring):
    results.add("mf", "ours", {"l2": 1}, measured(measuring, 42, 1, [0.5]))
    results.add("mf", "ours", {"l2": 2}, measured(measuring, 43, 1, [0.6]))
    assert [each["split_seed"] for each in results.runs("mf")] == [43]


def test_rows_of_a_file_are_kept_unless_it_is_about_other_ratings(quality, measuring, tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"fingerprint": "a", "rows": [{"row": "mf", "runs": []}]}))
    kept = quality.Results({"fingerprint": "a"}, tmp_path)
    kept.read(path)
    other = quality.Results({"fingerprint": "b"}, tmp_path)
    other.read(path)
    assert (list(kept.rows), list(other.rows)) == (["mf"], [])
    kept.add("biases", "ours", {}, measured(measuring, 42, None, [0.5]))
    kept.read(path)  # which another process may have written since
    assert sorted(kept.rows) == ["biases", "mf"]


def test_errors_that_do_not_give_the_run_s_rmse_are_not_used(results, measuring):
    """A file from another machine may name a run whose errors here are older."""
    results.add("mf", "ours", {}, measured(measuring, 42, 1, [0.5, -0.5]))
    assert [each.tolist() for each in results.errors("mf", 42)] == [[0.5, -0.5]]
    results.rows["mf"]["runs"][0]["rmse"] = 0.6
    assert results.errors("mf", 42) == []


def test_rows_are_sorted_and_compared_to_the_reference_and_to_the_next(results, measuring, table):
    for name, error in [("biases", 0.9), ("two_tower", 0.7), ("mf", 0.8)]:
        for split in (42, 43, 44):
            results.add(name, "ours", {}, measured(measuring, split, None, [error, -error]))
    best, middle, worst = table.compare(results, "rmse", "two_tower", [42, 43, 44], overlap=0.125)
    assert [row["row"] for row in (best, middle, worst)] == ["two_tower", "mf", "biases"]
    assert (best["over_runs"], best["over_ratings"], worst["over_next"]) == (None, None, None)
    assert best["over_next"]["mean"] == approx(0.1)
    assert middle["over_runs"]["mean"] == approx(-0.1)
    assert middle["over_ratings"]["low"] == approx(-0.1)
    text = table.rating_table([best, middle, worst], 0.9, "two_tower")
    assert (
        "| `mf` | 3 | 0.8000 | 0.8000 | 0.8000 | 0.8000 | +0.1000 | "
        "−0.1000 (−0.1000 to −0.1000) | −0.1000 (−0.1000 to −0.1000) | "
        "+0.1000 (+0.1000 to +0.1000) | 1 |"
    ) in text


def test_a_row_without_one_of_the_splits_is_not_compared(results, measuring, table):
    results.add("two_tower", "ours", {}, measured(measuring, 42, 1, [0.7]))
    results.add("two_tower", "ours", {}, measured(measuring, 43, 1, [0.7]))
    results.add("mf", "ours", {}, measured(measuring, 42, 1, [0.8]))
    rows = table.compare(results, "rmse", "two_tower", [42, 43], overlap=0)
    assert [row["row"] for row in rows] == ["two_tower"]


def test_the_mean_of_predictions_that_err_to_either_side_has_no_error(measuring, cut):
    members = []
    for error in (0.5, -0.5):
        each = measured(measuring, 42, 1, [error] * len(cut.part))
        each.run.update(seconds=1.0, environment={})
        members.append(each)
    assert measuring.measure_mean(members, cut).run["rmse"] == 0


def test_predictions_are_clipped_to_the_scale(cut):
    errors = cut.errors(np.full(len(cut.part), 99.0))
    assert errors.tolist() == (cut.part.scale.high - cut.part.rating.astype(float)).tolist()
    assert cut.errors(np.full(len(cut.part), -99.0)).max() <= 0


def test_predictions_that_are_not_numbers_are_refused(cut):
    predicted = np.full(len(cut.part), 3.0)
    predicted[:2] = np.nan
    with pytest.raises(ValueError, match=f"2 of {len(cut.part)} predictions are not finite"):
        cut.errors(predicted)


def test_the_means_over_users_are_the_figures_of_the_full_catalogue(quality, cut):
    ranking = importlib.import_module("benchmarks.quality.comparison.ranking")
    torch.manual_seed(0)
    scores = torch.rand(cut.store.n_users, cut.store.n_films)
    model = ranking.ScoreMatrix(cut.store, scores)
    whole = full_catalogue(model, cut.part)
    ours, by_chance = ranking.rank_users(model, cut.part)
    for figure in ranking.FIGURES:
        assert ours[figure].mean() == approx(whole[figure])
        assert by_chance[figure].mean() == approx(whole["random"][figure])
        assert len(ours[figure]) == whole["users"]


def test_opening_the_test_part_is_counted(measuring, monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_SEARCH_DATA_DIR", str(tmp_path))
    ratings = demo_ratings(2_000)
    opened = measuring.Cut.of(ratings, "demo:2k", 42, "test")
    fingerprint = split_fingerprint(ratings, SplitSpec(seed=42))
    assert [each.command for each in Ledger().openings(fingerprint)] == [
        "benchmarks/quality/peers.py"
    ]
    assert not np.isin(
        opened.part.user * opened.part.n_films + opened.part.film,
        opened.split.train.user * opened.part.n_films + opened.split.train.film,
    ).any()


@pytest.fixture
def call(quality, monkeypatch, tmp_path, capsys):
    """Runs the benchmark on 2,000 generated ratings, and returns its output and its file."""
    monkeypatch.setenv("RECSYS_SEARCH_DATA_DIR", str(tmp_path / "data"))

    def call(*options):
        arguments = ["peers.py", "demo:2k", "--out", str(tmp_path / "out"), *options]
        monkeypatch.setattr("sys.argv", arguments)
        quality.main()
        path = tmp_path / "out" / "quality-demo:2k-validation.json"
        return capsys.readouterr().out, json.loads(path.read_text())

    return call


def test_a_peer_sees_no_rating_that_it_is_to_predict(quality, call, monkeypatch):
    seen = []

    def predict(train, asked, seed):
        seen.append((asked.rating, asked.expected, seed))
        return np.full(len(asked), train.rating.mean())

    peer = quality.Peer((), "the mean", predict=predict)
    monkeypatch.setitem(quality.PEERS, "surprise-svd", peer)
    call("--rows", "surprise-svd", "--seeds", "5")
    [(rating, expected, seed)] = seen
    assert np.isnan(rating).all()
    assert (expected, seed) == (None, 5)


def test_rows_that_are_measured_later_are_merged_into_the_file(call):
    call("--rows", "biases", "--split-seeds", "42", "43")
    out, document = call("--rows", "popularity", "random", "--split-seeds", "42", "43")
    assert [row["row"] for row in document["rows"]] == ["biases", "popularity", "random"]
    assert [len(row["runs"]) for row in document["rows"]] == [2, 2, 2]
    assert [row["row"] for row in document["ratings"]] == ["biases"]
    assert document["splits"]["42"]["bias_rmse"] == document["rows"][0]["runs"][0]["rmse"]
    assert document["splits"]["42"]["noise_rmse"] < document["splits"]["42"]["bias_rmse"]
    assert "| `popularity` | 2 |" in out


def test_any_row_can_be_the_one_that_others_are_compared_to(call):
    rows = ("--rows", "random", "popularity", "--reference", "random")
    out, document = call(*rows)
    assert document["reference"] == "random"
    [popularity] = [row for row in document["rankings"] if row["row"] == "popularity"]
    assert popularity["over_ratings"]["mean"] == approx(
        popularity["mean"] - document["rankings"][1]["mean"], abs=1e-6
    )
    assert "better than `random`" in out


def test_a_config_file_is_a_row_and_its_seeds_have_a_mean(call, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("config: {architecture: mf, max_epochs: 2}\ndata: {dataset: 'demo:2k'}\n")
    _, document = call("--rows", "--config", f"short={path}", "--seeds", "1", "2")
    rows = {row["row"]: row for row in document["rows"]}
    assert list(rows) == ["short", "short-mean-of-2"]
    assert [each["seed"] for each in rows["short"]["runs"]] == [1, 2]
    assert rows["short"]["settings"]["max_epochs"] == 2
    assert "seed" not in rows["short"]["settings"]
    mean = rows["short-mean-of-2"]["runs"][0]["rmse"]
    assert mean < max(each["rmse"] for each in rows["short"]["runs"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--config", "short"], "must look like NAME=FILE.yaml, got 'short'"),
        (["--config", "mf=config.yaml"], "mf is a row of its own; choose another name"),
    ],
)
def test_a_config_needs_a_name_and_a_file(call, capsys, options, message):
    with pytest.raises(SystemExit):
        call(*options)
    assert message in capsys.readouterr().err


def test_a_library_that_is_not_installed_is_named(quality, call, monkeypatch, capsys):
    peer = replace(quality.PEERS["myfm"], packages=("no-such-package",))
    monkeypatch.setitem(quality.PEERS, "myfm", peer)
    with pytest.raises(SystemExit):
        call("--rows", "myfm")
    assert "no-such-package not installed; run pip install" in capsys.readouterr().err


def test_implicit_features_of_a_user_with_four_films_are_one_half(quality):
    myfm_peers = importlib.import_module("benchmarks.quality.comparison.myfm_peers")
    flags = myfm_peers.sparse.csr_matrix([[1, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]])
    assert myfm_peers._scaled(flags).toarray().tolist() == [
        [0.5, 0.5, 0.5, 0.5, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0],
    ]
