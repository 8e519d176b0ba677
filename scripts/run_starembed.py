# Copyright 2026 The astromer_hf developers. MIT licence.
"""The StarEmbed benchmark (Li et al. 2026, arXiv:2510.06200): embeddings of its stars, and classification by its protocol.

Example:
    python scripts/run_starembed.py -o runs/starembed
    python scripts/run_starembed.py organisation/my_dataset -o runs/mine --model runs/my_model --bands g r --skip-search

It writes into the output folder

- `embeddings/<split>.parquet`: one row a star and band, of the splits train, validation, test and anom;
- `dataset/`: what public scripts of the benchmark read by `load_from_disk`: the rows of its dataset that have all bands, with
  `embeddings_<band>` (1, 1, D), `avg_embedding_<band>` (D) and `combined_embedding`, the bands one after the other in
  alphabetical order;
- `scores.json`: macro-F1 on the test split. As there, classifiers are fitted on train and validation together: 5 nearest
  neighbours and a balanced logistic regression on standardised embeddings, and a random forest, of which a grid of settings is
  searched on the validation split, with three seeds.

A run that was stopped goes on when it is started again: with the next split, classifier or setting of the forest. The scripts
of the benchmark also leave out one star of each split by its position, whose embedding by other models is not a number; here a
star is left out only where a band has no usable observation, and these are counted.
"""

import argparse
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import ParameterGrid
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

from astromer_hf.cli.models import quiet_transformers
from astromer_hf.cli.numbers import count, seed
from astromer_hf.hub.load import default_model_folder, load_encoder
from astromer_hf.inference.embedding import embed_table
from astromer_hf.inference.output_files import complete_or_absent
from astromer_hf.inference.sharded_embedding import digest_weights
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.formats.hub import download
from astromer_hf.light_curves.source import LightCurveSource

SCORED = ("train", "validation", "test")
ANOMALIES = "anom"
LABEL = "class_str"
NUM_NEIGHBORS = 5
FOREST_GRID = {"n_estimators": [100, 200, 500], "max_depth": [None, 10, 20, 30], "min_samples_split": [2, 5, 10]}
FOREST_DEFAULTS = {"n_estimators": 200, "max_depth": 20, "min_samples_split": 2}  # without a search, as there
FOREST_SEEDS = (0, 58, 158)  # added to the seed
SETTINGS_KEY = "settings"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "dataset", nargs="?", default="hf://datasets/StarEmbed/ZTF_40k", help="of the Hub, or a folder (%(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/starembed"), help="a folder (%(default)s)")
    parser.add_argument("--model", help="folder or id of a model; the packaged one when absent")
    parser.add_argument("--bands", nargs="+", default=["g", "r"], help="that a star must have (%(default)s)")
    parser.add_argument("--seed", type=seed, default=42, help="of the classifiers (%(default)s)")
    parser.add_argument("--skip-search", action="store_true", help=f"a forest of the settings {FOREST_DEFAULTS}")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (%(default)s)")
    parser.add_argument("--batch-size", type=count, help="windows in a forward pass")
    return parser.parse_args(argv)


# --- Embeddings ---


def embed_split(rows: datasets.Dataset, file: Path, model: Any, settings: Mapping[str, Any], **options: Any) -> str:
    """Embed a split, unless that is done; what was read of it, in a line."""
    wanted = json.dumps({**settings, "rows": len(rows), "data": _digest_rows(rows)}, sort_keys=True)
    if file.is_file():
        metadata = pq.read_schema(file).metadata or {}
        if metadata.get(f"astromer_hf.{SETTINGS_KEY}".encode()) == wanted.encode():
            return f"{file} is complete: skipped"
    source = LightCurveSource.open(rows)
    embed_table(source, file, model, description={SETTINGS_KEY: wanted}, **options)
    return f"{file.stem}: {source.ledger.line.partition(': ')[2]} -> {file}"


def _digest_rows(rows: datasets.Dataset) -> str:
    """Which data it is: its files, with their commit, and its ids."""
    digest = hashlib.sha256("\n".join(sorted(rows.info.download_checksums or {})).encode())
    for ids in rows.select_columns([id_column(rows)]).with_format("arrow").iter(4096):
        digest.update("\n".join(map(str, ids.column(0).to_pylist())).encode())
    return digest.hexdigest()


def id_column(rows: datasets.Dataset) -> str:
    """The column of the stars' ids.

    Raises:
        TableError: there is none.
    """
    name = LightCurveSource.open(rows).roles.object_id
    if name is None:
        raise TableError(f"The dataset has no column of ids; there are: {', '.join(rows.column_names)}.")
    return name


def with_embeddings(rows: datasets.Dataset, embedded: pa.Table, bands: Sequence[str]) -> datasets.Dataset:
    """The rows whose star has all `bands`, with the columns that the benchmark's scripts read.

    Args:
        rows: a split of its dataset.
        embedded: what `embed_table` wrote of it.
        bands: of the combined embedding, which has them in alphabetical order.

    Raises:
        TableError: ids are not unique.
    """
    name = id_column(rows)
    ids = [str(value) for value in rows.select_columns([name]).with_format("arrow")[:][name].to_pylist()]
    if len(set(ids)) < len(ids):
        raise TableError(
            f"{len(ids) - len(set(ids))} ids of the dataset occur more than once: embeddings cannot be told apart."
        )
    usable = embedded.filter(pc.greater(embedded["num_points"], 0))
    places: dict[tuple[str, str], int] = {
        key: i for i, key in enumerate(zip(usable["object_id"].to_pylist(), usable["band"].to_pylist(), strict=True))
    }
    kept = [i for i, star in enumerate(ids) if all((star, band) in places for band in bands)]
    vectors = usable["embedding"].combine_chunks()
    matrix = vectors.flatten().to_numpy().reshape(len(usable), -1)  # (light curves, D)
    own = {band: matrix[[places[ids[i], band] for i in kept]] for band in sorted(bands)}
    columns = {f"embeddings_{band}": _nested(values, 2) for band, values in own.items()}
    columns |= {f"avg_embedding_{band}": _nested(values, 0) for band, values in own.items()}
    columns["combined_embedding"] = _nested(np.concatenate([*own.values()], axis=1), 0)
    return datasets.concatenate_datasets([rows.select(kept), datasets.Dataset(pa.table(columns))], axis=1)


def _nested(values: np.ndarray, depth: int) -> pa.Array:
    """Rows `(N, D)` as lists of D numbers, inside `depth` lists of one element."""
    num_rows, width = values.shape
    offsets = pa.array(np.arange(num_rows + 1) * width, pa.int32())
    array = pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values, np.float32).ravel()))
    for _ in range(depth):
        array = pa.ListArray.from_arrays(pa.array(np.arange(num_rows + 1), pa.int32()), array)
    return array


# --- Scores ---


@dataclass(frozen=True)
class Split:
    """Embeddings `(N, D)` of a split, and the classes of its stars `(N,)`."""

    vectors: np.ndarray
    classes: np.ndarray

    @classmethod
    def of(cls, rows: datasets.Dataset) -> "Split":
        """Of a split that `with_embeddings` wrote."""
        table = rows.select_columns(["combined_embedding", LABEL]).with_format("arrow")[:]
        vectors = table["combined_embedding"].combine_chunks()
        return cls(vectors.flatten().to_numpy().reshape(len(table), -1), np.array(table[LABEL].to_pylist()))

    def __add__(self, other: "Split") -> "Split":
        return Split(np.concatenate((self.vectors, other.vectors)), np.concatenate((self.classes, other.classes)))

    def score(self, classifier: Any) -> dict[str, float]:
        """Macro-F1 and accuracy of a fitted classifier."""
        predicted = classifier.predict(self.vectors)
        macro_f1 = f1_score(self.classes, predicted, average="macro", zero_division=0)
        return {"macro_f1": float(macro_f1), "accuracy": float(accuracy_score(self.classes, predicted))}


class Scores:
    """The file of scores, written after every one of them, so that a run that was stopped goes on.

    Args:
        file: to write; scores of other embeddings or settings in it are not used.
        identity: of embeddings and settings.
    """

    def __init__(self, file: Path, identity: Mapping[str, Any]):
        self.file = file
        found = json.loads(file.read_text()) if file.is_file() else {}
        self.content: dict[str, Any] = found if found.get("of") == identity else {"of": dict(identity)}

    def get(self, name: str) -> Any:
        """A score that is there, or None."""
        return self.content.get(name)

    def put(self, name: str, score: Any) -> Any:
        """Keep a score."""
        self.content[name] = score
        with complete_or_absent(self.file) as partial:
            partial.write_text(json.dumps(self.content, indent=2))
        return score


def score_classifiers(
    splits: Mapping[str, Split], scores: Scores, seed: int, *, search: bool = True
) -> Iterator[tuple[str, str]]:
    """Fit and score every classifier, unless that is done.

    Yields:
        Its name, and its scores as text.
    """
    fitted_on, test = splits["train"] + splits["validation"], splits["test"]
    simple = {
        f"k-NN, k = {NUM_NEIGHBORS}": KNeighborsClassifier(NUM_NEIGHBORS),
        "linear probe": LogisticRegression(max_iter=5000, class_weight="balanced", random_state=seed),
    }
    for name, classifier in simple.items():
        score = scores.get(name)
        if score is None:
            pipeline = make_pipeline(StandardScaler(), classifier).fit(fitted_on.vectors, fitted_on.classes)
            score = scores.put(name, test.score(pipeline))
        yield name, f"macro-F1 {score['macro_f1']:.3f}, accuracy {score['accuracy']:.3f}"
    settings = search_forest(splits, scores, seed) if search else FOREST_DEFAULTS
    name = "random forest"
    runs: list[dict[str, Any]] = scores.get(name) or []
    for more in tqdm(FOREST_SEEDS, desc="forests", disable=None):
        if any(run["seed"] == seed + more for run in runs):
            continue
        forest = RandomForestClassifier(random_state=seed + more, n_jobs=-1, **settings)
        forest.fit(fitted_on.vectors, fitted_on.classes)
        runs = scores.put(name, [*runs, {"seed": seed + more, "settings": settings, **test.score(forest)}])
    values = {metric: np.array([run[metric] for run in runs]) for metric in ("macro_f1", "accuracy")}
    found = ", ".join(
        f"{metric.replace('macro_f1', 'macro-F1')} {own.mean():.3f} ± {own.std():.3f}" for metric, own in values.items()
    )
    yield name, f"{found} over {len(runs)} seeds, {'searched' if search else 'not searched'}: {settings}"


def search_forest(splits: Mapping[str, Split], scores: Scores, seed: int) -> dict[str, Any]:
    """The settings of a forest, fitted on train, with the best macro-F1 on validation; the first of equal ones."""
    done: dict[str, float] = dict(scores.get("search") or {})
    grid = list(ParameterGrid(FOREST_GRID))
    for settings in tqdm(grid, desc="settings of the forest", disable=None):
        key = json.dumps(settings, sort_keys=True)
        if key not in done:
            forest = RandomForestClassifier(random_state=seed, n_jobs=-1, **settings)
            forest.fit(splits["train"].vectors, splits["train"].classes)
            done[key] = splits["validation"].score(forest)["macro_f1"]
            scores.put("search", done)
    return max(grid, key=lambda settings: done[json.dumps(settings, sort_keys=True)])


# --- All of it ---


def main(args: argparse.Namespace) -> None:
    quiet_transformers()
    try:
        run(args)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None


def run(args: argparse.Namespace) -> None:
    """Embed, write the dataset, score."""
    data = download(args.dataset)
    if missing := [split for split in SCORED if split not in data]:
        raise TableError(f"{args.dataset} has no split {missing[0]}; it has {', '.join(map(str, data))}.")
    if LABEL not in data["train"].column_names:
        raise TableError(f"{args.dataset} has no column {LABEL}; there are: {', '.join(data['train'].column_names)}.")
    model, extractor = load_encoder(args.model or str(default_model_folder()), None, args.device, "float32")
    settings = {
        "dataset": args.dataset,
        "weights": digest_weights(model),
        "window_size": (extractor or model.config).window_size,
    }
    (args.output / "embeddings").mkdir(parents=True, exist_ok=True)
    names = [split for split in (*SCORED, ANOMALIES) if split in data]
    lines = []
    for split in names:
        file = args.output / "embeddings" / f"{split}.parquet"
        lines.append(embed_split(data[split], file, model, settings, feature_extractor=extractor, batch_size=args.batch_size))
    files = {split: args.output / "embeddings" / f"{split}.parquet" for split in names}
    identity = {
        "bands": sorted(args.bands),
        "seed": args.seed,
        "search": not args.skip_search,
        "embeddings": {split: _digest_file(file) for split, file in files.items()},
    }
    folder = args.output / "dataset"
    stars = write_dataset(folder, {split: data[split] for split in names}, files, args.bands, identity)
    saved = datasets.load_from_disk(str(folder))
    splits = {split: Split.of(saved[split]) for split in SCORED}
    classes = sorted(set(splits["train"].classes.tolist()))
    if unseen := sorted({*splits["validation"].classes.tolist(), *splits["test"].classes.tolist()} - set(classes)):
        raise TableError(f"The class {unseen[0]!r} has no star in train with the bands {', '.join(args.bands)}.")
    print("\n".join([*lines, *stars]))
    print(
        f"{len(classes)} classes ({', '.join(classes)}), embeddings of {splits['train'].vectors.shape[1]} numbers -> {folder}"
    )
    for name, text in score_classifiers(
        splits, Scores(args.output / "scores.json", identity), args.seed, search=not args.skip_search
    ):
        print(f"{name}: {text}")
    if ANOMALIES not in data:
        print(f"{args.dataset} has no split {ANOMALIES}: none is written.")
    print(f"measured on {args.dataset} -> {args.output / 'scores.json'}")


def write_dataset(
    folder: Path,
    data: Mapping[str, datasets.Dataset],
    files: Mapping[str, Path],
    bands: Sequence[str],
    identity: Mapping[str, Any],
) -> list[str]:
    """Write the `DatasetDict`, unless it is there; how many stars of each split it has, in lines."""
    marker = folder / "settings.json"
    own = {name: identity[name] for name in ("bands", "embeddings")}
    if not marker.is_file() or json.loads(marker.read_text())["of"] != own:
        whole = {split: with_embeddings(rows, pq.read_table(files[split]), bands) for split, rows in data.items()}
        if not len(whole["train"]) or not len(whole["test"]):
            raise TableError(f"No star of train, or none of test, has all of the bands {', '.join(bands)}.")
        with complete_or_absent(folder) as partial:
            datasets.DatasetDict(whole).save_to_disk(str(partial))
            counts = {split: [len(rows), len(data[split])] for split, rows in whole.items()}
            (partial / marker.name).write_text(json.dumps({"of": own, "stars": counts}))
            shutil.rmtree(folder, ignore_errors=True)
    counts = json.loads(marker.read_text())["stars"]
    return [
        f"{split}: {kept} of {there} stars have the bands {', '.join(sorted(bands))}" for split, (kept, there) in counts.items()
    ]


def _digest_file(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(parse_args())
