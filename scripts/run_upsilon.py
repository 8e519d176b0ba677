# Copyright 2026 The astromer_hf developers. MIT licence.
"""Classify light curves by UPSILoN (Kim & Bailer-Jones 2016, A&A 587, A18), for `evaluate_upsilon.py --upsilon`.

It runs in an environment of its own, which has no part of this project, because UPSILoN's forest needs old versions:

    python3.11 -m venv runs/upsilon
    runs/upsilon/bin/pip install numpy==1.23.5 scikit-learn==1.2.2 "scipy<1.11" pyfftw upsilon==1.2.10

Reads light curves from an npz file (`values` (P, 3): mjd, mag, magerr; `offsets` (N + 1,)), and adds to a file one line of
JSON for each: its number, class (null where UPSILoN fails), probability and UPSILoN's own flag for what it doubts. Light curves
whose line is there are left out, so that a run that was stopped goes on.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", type=Path, help="npz file")
    parser.add_argument("output", type=Path, help="file of JSON lines")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    import upsilon

    with np.load(args.curves, allow_pickle=False) as arrays:
        curves = np.split(arrays["values"], arrays["offsets"][1:-1])
    lines = args.output.read_text().splitlines(keepends=True) if args.output.is_file() else []
    whole = [line for line in lines if line.endswith("\n")]  # a run that was killed may leave half a line
    args.output.write_text("".join(whole))
    done = {json.loads(line)["number"] for line in whole}
    warnings.filterwarnings("ignore")
    forest = upsilon.load_rf_model()
    with args.output.open("a") as file:
        for number, (mjd, mag, magerr) in enumerate(curve.T.copy() for curve in curves):
            if number in done:
                continue
            # Without photometric errors UPSILoN takes the scatter of the magnitudes.
            try:
                features = upsilon.ExtractFeatures(mjd, mag, magerr if np.isfinite(magerr).all() else None, n_threads=1)
                features.run()
                name, probability, flag = upsilon.predict(forest, features.get_features())
            except (IndexError, ValueError, RuntimeError) as error:  # of a constant light curve, for one
                print(f"light curve {number} has no class: {error}", flush=True)
                name, probability, flag = None, 0.0, 1
            row = {
                "number": number,
                "class": None if name is None else str(name),
                "probability": float(probability),
                "flag": int(flag),
            }
            print(json.dumps(row), file=file, flush=True)


if __name__ == "__main__":
    main(parse_args())
