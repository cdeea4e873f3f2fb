"""Average trained weights, number by number.

Usage: python weights/average.py OUT.pt SHARE MODEL.pt [SHARE MODEL.pt ...]

A MODEL.pt is a source model or a checkpoint of `latup train`, of which the moving average counts.
Shares need not add up to 1; dropout may differ, and is the first one's. To export the average with
its card, let OUT.pt be the `best.pt` of a finished run, and call `latup train` once more as it was
called.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from latup_cli.training import checkpoint


def main() -> None:
    """Average and write."""
    out, *given = sys.argv[1:] or [""]
    if not given or len(given) % 2:
        sys.exit(__doc__)
    shares = [float(share) for share in given[::2]]
    networks = [checkpoint.load_weights(Path(path)) for path in given[1::2]]
    if len({replace(network.config, dropout=0.0) for network in networks}) > 1:
        sys.exit("These are weights of different networks.")
    with torch.no_grad():
        for numbers in zip(*(network.parameters() for network in networks), strict=True):
            weighted = (share * n for share, n in zip(shares, numbers, strict=True))
            numbers[0].copy_(torch.stack(list(weighted)).sum(dim=0) / sum(shares))
    checkpoint.save_weights(Path(out), networks[0])


if __name__ == "__main__":
    main()
