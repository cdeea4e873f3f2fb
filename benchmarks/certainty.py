"""Print how sure a model is of its masks, and how right: certainty.py MODEL_DIR FOLDER ...

Each folder holds one folder per patient with a segmentation in the numbers of BraTS 2017 to 2021.
For every patient and region prints the Dice that the network's own probabilities promise (see
`latup_cli/quality/certainty.py`) and the one that the mask has, and then what the limits of the
model (`least_certainty`) tell apart: mean and lowest Dice of masks below them, and of all others.
No ET is taken for core here. Choose the limits on patients that the model was trained on.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from islands import predictions

from latup_cli.evaluation.overlap import dice
from latup_cli.inference.models import load_model
from latup_cli.labels import REGIONS


def main() -> None:
    """Segment every patient once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    given = parser.parse_args()
    model = load_model(given.model)
    limits = model.spec.least_certainty
    spec = replace(model.spec, least_certainty={}, smallest_ml={})
    pairs: dict[str, list[tuple[float, float, bool]]] = defaultdict(list)
    print("| patient | region | promised | Dice | limit |\n|---|---|---|---|---|")
    for study, found in predictions(model, spec, given.folders):
        for finding in found.quality:
            region, value = finding.subject, finding.value
            real = dice(found.labels.region(region).data, study.labels.region(region).data)
            below = value < limits.get(region, 0.0)
            pairs[region].append((value, real, below))
            cells = (study.name, region, f"{value:.3f}", f"{real:.3f}", "below" if below else "")
            print(f"| {' | '.join(cells)} |", flush=True)
    print(
        "\n| region | correlation | below the limit: masks, mean Dice, lowest | others, likewise |"
    )
    print("|---|---|---|---|")
    for region in REGIONS:
        promised, real, warned = np.array(pairs[region]).T
        odd = warned > 0
        told = (
            f"{len(some)}, {some.mean():.3f}, {some.min():.3f}" if len(some) else "0"
            for some in (real[odd], real[~odd])
        )
        print(f"| {region} | {np.corrcoef(promised, real)[0, 1]:.2f} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
