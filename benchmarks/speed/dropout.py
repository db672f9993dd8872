"""Cost of dropout in `HybridVAE` on a CPU: a training epoch with torch's dropout and with ours.

    python -m benchmarks.speed.dropout ../ml-latest-small --out benchmarks/results

Needs no Optuna. Both alternate in one process; each figure is the fastest of its rounds.
"""

from __future__ import annotations

import argparse

import torch
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import Split, split_ratings
from recsys_search.model.architectures import hybrid
from recsys_search.model.architectures.hybrid import HybridConfig
from recsys_search.model.components.dropout import Dropout
from recsys_search.model.training.training import Training

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine

NETS = [(256, 128), (512, 256, 128), (1024, 512, 256)]


def epoch_s(split: Split, net: tuple[int, ...], dropout: type[torch.nn.Dropout]) -> float:
    """Seconds of the training steps in the second epoch; the first is a warm-up."""
    hybrid.Dropout = dropout  # type: ignore[misc]
    with Training(HybridConfig(hidden_dims=net, max_epochs=2), split, "cpu") as run:
        *_, last = run
    return last.train_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--rounds", type=int, default=2)
    add_out(parser)
    args = parser.parse_args()
    split = split_ratings(load_ratings(args.dataset), SplitSpec())
    rows = []
    print("| hidden layers | torch's dropout | ours | speed-up |\n|---|---|---|---|")
    for net in NETS:
        times: dict[type[torch.nn.Dropout], list[float]] = {torch.nn.Dropout: [], Dropout: []}
        for _ in range(args.rounds):
            for dropout, seconds in times.items():
                seconds.append(epoch_s(split, net, dropout))
        theirs, ours = (min(seconds) for seconds in times.values())
        print(f"| {list(net)} | {theirs:.2f} s | {ours:.2f} s | {theirs / ours:.2f} |", flush=True)
        rows.append({"hidden_dims": net, "torch_s": theirs, "ours_s": ours})
    document = {"machine": machine("cpu"), "threads": torch.get_num_threads(), "epoch_s": rows}
    keep(args.out, "dropout-cpu", document)


if __name__ == "__main__":
    main()
