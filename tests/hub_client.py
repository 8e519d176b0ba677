# Copyright 2026 The astromer_hf developers. MIT licence.
"""Processes whose Hub is the one on loopback, for `test_hub.py`.

The client reads its settings at import, so that the tests' own process, which is offline, cannot be one. A `HubClient` is a
process that stays and runs functions of this file one after the other, which spares an import of torch a test; `run_fresh` is a
new one with nothing in its cache. Of the tests nothing is imported here: `conftest.py` would switch the Hub off.
"""

import contextlib
import gc
import importlib
import io
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from fork_server import fork_server
from forks import run_forked


def environment(url: str, home: Path, **changes: str) -> dict[str, str]:
    """Variables of a process whose Hub is at `url` and whose cache and settings are in `home`."""
    settings = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DISABLE_SAFETENSORS_CONVERSION": "1",  # transformers would ask a host outside
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))}
    return inherited | settings | changes


def run_fresh(url: str, home: Path, script: str, **changes: str) -> Any:
    """Run a script in a new process; what it assigns to `answer` comes back, by way of JSON."""
    program = f"{script}\nimport json as _json\nprint('ANSWER' + _json.dumps(answer))"
    done = run_forked("-c", program, environment=environment(url, home, **changes), fresh=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rsplit("ANSWER", 1)[1])


class HubClient:
    """A process that calls functions for us; an error of theirs is raised here."""

    def __init__(self, url: str, home: Path, **changes: str):
        variables = environment(url, home, **changes)
        self._pool = ProcessPoolExecutor(1, fork_server(), initializer=_set_environment, initargs=(variables,))

    def __call__(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return self._pool.submit(_call, function, *args, **options).result(timeout=300)

    def close(self) -> None:
        self._pool.shutdown()


def _set_environment(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


def _call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    gc.freeze()  # what earlier calls imported is no garbage
    return function(*args, **options)


# --- What a HubClient runs ---


def command(*arguments: str | Path, token: str | None = None, folder: Path | None = None) -> tuple[int, str, str]:
    """`astromer-hf ...` in a folder: its status and what it printed, as the user of a token."""
    from astromer_hf.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder or Path.cwd()), using(token), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return status, out.getvalue(), err.getvalue()


def script(name: str, *arguments: str | Path, token: str | None = None) -> tuple[str, str]:
    """`python scripts/NAME.py ...`: what it printed, and the message that it ended with."""
    module = importlib.import_module(name)
    out, message = io.StringIO(), ""
    with using(token), contextlib.redirect_stdout(out):
        try:
            module.main(module.parse_args([str(argument) for argument in arguments]))
        except SystemExit as ended:
            message = str(ended)
    return out.getvalue(), message


def api(method: str, *args: Any, token: str | None = None, **options: Any) -> Any:
    """A method of the client's `HfApi`."""
    from huggingface_hub import HfApi

    result = getattr(HfApi(token=token), method)(*args, **options)
    return [str(item) for item in result] if method.startswith("list_") and not hasattr(result, "tags") else result


def commit(repo_id: str, files: dict[str, bytes], token: str, **options: Any) -> str:
    """Files to a repository by the client alone, made public if it is not there; the sha."""
    from huggingface_hub import CommitOperationAdd, HfApi

    client = HfApi(token=token)
    client.create_repo(repo_id, exist_ok=True, repo_type=options.get("repo_type"))
    operations = [CommitOperationAdd(name, content) for name, content in files.items()]
    return str(client.create_commit(repo_id, operations, commit_message="by hand", **options).oid)


def read_light_curves(source: str, *, columns: Any = None, **options: Any) -> tuple[list[Any], dict[str, Any]]:
    """The light curves of a source, each as id, band, label, times and magnitudes; and the ledger, by way of plain values."""
    from astromer_hf.light_curves.source import LightCurveSource

    opened = LightCurveSource.open(source, columns=columns, **options)
    return list_light_curves(opened.chunks()), opened.ledger.to_dict()


def list_light_curves(chunks: Any) -> list[Any]:
    """Light curves of chunks, each as id, band, label, times, magnitudes and errors."""
    found = []
    for chunk in chunks:
        names = {role: chunk.annotations[role].to_pylist() for role in chunk.annotations}
        for i, curve in enumerate(chunk.light_curves()):
            arrays = (None if curve[name] is None else curve[name].tolist() for name in ("mjd", "mag", "magerr"))
            found.append(
                (curve["object_id"], *(names[role][i] if role in names else None for role in ("band", "label")), *arrays)
            )
    return found


def error_of(source: str, token: str | None = None, **options: Any) -> tuple[str, str]:
    """The kind and the message of the error that opening a source ends in."""
    from astromer_hf.light_curves.source import LightCurveSource

    with using(token):
        try:
            LightCurveSource.open(source, **options)
        except (OSError, ValueError) as error:
            return type(error).__name__, str(error)
    return "", ""


def load_error(model: str, revision: str | None = None, token: str | None = None) -> str:
    """What our loader says of a model that it cannot load."""
    from astromer_hf.hub.load import load_model

    with using(token):
        try:
            load_model(model, revision=revision)
        except (OSError, ValueError) as error:
            return str(error)
    return ""


def digest_of_weights(model: str, auto_class: str = "AutoModel", token: str | None = None, **options: Any) -> str:
    """A number that tells weights apart: the sum of a model's parameters, printed exactly."""
    import transformers

    import astromer_hf  # noqa: F401 (registers the classes)

    with using(token):
        loaded = getattr(transformers, auto_class).from_pretrained(model, **options)
    return float(sum(parameter.detach().double().sum() for parameter in loaded.parameters())).hex()


def run_code(code: str, folder: Path | None = None, token: str | None = None) -> None:
    """Run a code block of a card, in a folder."""
    with using(token), contextlib.chdir(folder or Path.cwd()):
        exec(compile(code, "card", "exec"), {})


def run_script(name: str, *arguments: str, token: str | None = None) -> None:
    """`python scripts/<name>.py ...`, as the user of a token."""
    script = importlib.import_module(name)
    with using(token):
        script.main(*script.parse_args(list(arguments)))


def fine_tune(base: str, output: Path, repo_id: str, token: str, stock: bool = False, **arguments: Any) -> None:
    """Fine-tune a classifier of simulated stars from a model on the Hub, and have Trainer push it."""
    from transformers import AutoFeatureExtractor, AutoModelForSequenceClassification, Trainer, TrainingArguments

    from astromer_hf.hub.model_card import CardFacts
    from astromer_hf.hub.trainer import HubTrainer
    from astromer_hf.light_curves.simulation import simulate_light_curves
    from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
    from astromer_hf.training.data_collator import DataCollatorForLightCurveClassification, InMemoryLightCurves

    classes = ["LPV", "RRab"]
    simulated = simulate_light_curves(16, seed=0, classes=classes)
    labels = np.array([classes.index(curve.label) for curve in simulated])
    curves = RaggedLightCurves.from_arrays([curve.mjd for curve in simulated], [curve.mag for curve in simulated])
    data = InMemoryLightCurves(curves, labels)
    with using(token):
        extractor = AutoFeatureExtractor.from_pretrained(base)
        model = AutoModelForSequenceClassification.from_pretrained(
            base, num_labels=2, id2label=dict(enumerate(classes)), label2id={name: i for i, name in enumerate(classes)}
        )
        trainer = (Trainer if stock else HubTrainer)(
            model,
            TrainingArguments(
                str(output),
                push_to_hub=True,
                hub_model_id=repo_id,
                max_steps=2,
                save_steps=1,
                use_cpu=True,
                remove_unused_columns=False,
                label_names=["labels"],
                disable_tqdm=True,
                **arguments,
            ),
            data_collator=DataCollatorForLightCurveClassification(extractor),
            train_dataset=data,
            processing_class=extractor,
            **({} if stock else {"card": CardFacts("", ("alcock",), base_model=base)}),
        )
        trainer.train()
        trainer.save_model()
        predicted = trainer.predict(data)
        trainer.save_metrics("test", {"test_accuracy": float((predicted.predictions.argmax(1) == labels).mean())})
        trainer.push_to_hub()


def push_by_transformers(base: str, repo_id: str, token: str, with_pipeline: bool, trust: bool = False) -> None:
    """Load a model of the Hub, change its weights, and share it by what transformers offers for that."""
    from transformers import AutoFeatureExtractor, AutoModelForSequenceClassification, pipeline

    if not trust:
        import astromer_hf  # noqa: F401 (registers the classes)
    with using(token):
        options = {"trust_remote_code": True} if trust else {}
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2, **options)
        extractor = AutoFeatureExtractor.from_pretrained(base, **options)
        if with_pipeline:
            pipe: Any = pipeline("light-curve-embedding", model=base, device="cpu", **options)
            pipe.push_to_hub(repo_id)
        else:
            model.push_to_hub(repo_id)
            extractor.push_to_hub(repo_id)


@contextlib.contextmanager
def using(token: str | None) -> Any:
    """Whose token the client finds."""
    before = os.environ.pop("HF_TOKEN", None)
    if token is not None:
        os.environ["HF_TOKEN"] = token
    try:
        yield
    finally:
        os.environ.pop("HF_TOKEN", None)
        if before is not None:
            os.environ["HF_TOKEN"] = before
