"""Look-ups in order of time equal a search by hand."""

from __future__ import annotations

import pytest
import torch
from recsys_search.model.store.time_order import TimeOrder
from recsys_search.model.store.train_store import TrainStore

K = 3


@pytest.fixture
def store(split):
    """Ratings of which many are of the same second."""
    store = TrainStore.build(split.train, torch.device("cpu"))
    coarse = store.timestamp - store.timestamp % 5_000_000
    train = split.train.take(torch.arange(len(store)).numpy())
    object.__setattr__(train, "timestamp", coarse.numpy())
    return TrainStore.build(train, torch.device("cpu"))


def order_of(store, past):
    return TimeOrder(store, store.by_user, past=past)


def others_by_hand(store, user, row, time, past):
    """(time, row) of the user's other ratings in order, earlier ones only if `past`."""
    return sorted(
        (at, other)
        for other, (who, at) in enumerate(
            zip(store.user.tolist(), store.timestamp.tolist(), strict=True)
        )
        if who == user and other != row and (at < time or not past)
    )


def queries(store):
    """Train rows, and pairs that are not in train, at, between and beyond the times of train."""
    rows = torch.arange(0, len(store), 37)
    first, last = int(store.timestamp.min()), int(store.timestamp.max())
    user = torch.cat([store.user[rows], store.user[rows], torch.tensor([0, 0, 1])])
    time = torch.cat(
        [store.timestamp[rows], store.timestamp[rows], torch.tensor([first - 9, last + 9, first])]
    )
    row = torch.cat([rows, torch.full((len(rows) + 3,), -1)])
    return user, time, row


@pytest.mark.parametrize("past", [False, True])
def test_the_window_has_the_nearest_ratings_on_each_side(store, past):
    order = order_of(store, past)
    user, time, row = queries(store)
    window = order.window(order.around(user, time, row), time, K)
    assert window.rows.shape == (len(user), K if past else 2 * K)
    for i in range(len(user)):
        others = others_by_hand(store, int(user[i]), int(row[i]), int(time[i]), past)
        found = window.rows[i][window.present[i]].tolist()
        assert len(set(found)) == len(found)
        assert set(found) <= {other for _, other in others}
        gaps = [abs(int(store.timestamp[other]) - int(time[i])) for other in found]
        assert window.gap[i][window.present[i]].tolist() == pytest.approx(gaps, rel=1e-6)
        n_before = sum(at < time[i] for at, _ in others)
        n_same = sum(at == time[i] for at, _ in others)
        middle = n_before + n_same // 2
        sides = [gaps_of(others[:middle][::-1][:K], time[i])]
        if not past:
            sides.append(gaps_of(others[middle:][:K], time[i]))
        assert gaps == [gap for side in sides for gap in side]


def gaps_of(others, time):
    return [abs(at - int(time)) for at, _ in others]


@pytest.mark.parametrize("past", [False, True])
def test_ratings_between_two_times_are_counted_without_the_own_one(store, past):
    order = order_of(store, past)
    user, time, row = queries(store)
    span = 8_000_000
    counted = order.count(order.around(user, time, row), user, time - span, time + span)
    expected = [
        sum(
            abs(at - int(time[i])) <= span
            for at, _ in others_by_hand(store, int(user[i]), int(row[i]), int(time[i]), past)
        )
        for i in range(len(user))
    ]
    assert counted.tolist() == expected
    assert max(expected) > 1


@pytest.mark.parametrize("past", [False, True])
def test_the_number_of_other_ratings_and_the_first_of_them(store, past):
    order = order_of(store, past)
    user, time, row = queries(store)
    around = order.around(user, time, row)
    first = order.time(around, around.start)
    for i in range(len(user)):
        others = others_by_hand(store, int(user[i]), int(row[i]), int(time[i]), past)
        assert int(around.end[i] - around.start[i]) == len(others)
        if others:
            assert int(first[i]) == others[0][0]
