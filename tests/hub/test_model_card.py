# Copyright 2026 The astromer_hf developers. MIT licence.
"""Cards say what is known, score what was measured, run as they stand, and are not finished while anything is missing."""

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY
from huggingface_hub import ModelCard

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
)
from astromer_hf.cli.main import main
from astromer_hf.hub.model_card import (
    CardError,
    CardFacts,
    check_card,
    is_placeholder,
    list_names,
    load_card,
    read_results,
    update_results,
    write_card,
)
from astromer_hf.light_curves.surveys import SURVEYS

ROOT = Path(__file__).resolve().parents[2]
CARDS = sorted((ROOT / "model_cards").glob("*/README.md"))
HEADER = ["survey", "method", "weights", "windows", "num_windows", "masked_rmse", "r2", "median_r2", "seed"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint without a card."""
    AstromerForMaskedReconstruction(AstromerConfig(**TINY)).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def classifier(folder: Path) -> Path:
    config = AstromerConfig(**TINY, classifier_hidden_sizes=[8], id2label={0: "RRab", 1: "EC"}, label2id={"RRab": 0, "EC": 1})
    AstromerForSequenceClassification(config).save_pretrained(folder)
    return folder


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:12]


def write_scores(path: Path, *rows: list[object]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


# --- The cards of this repository ---


@pytest.mark.parametrize("file", CARDS, ids=[file.parent.name for file in CARDS])
def test_the_cards_of_this_repository_are_finished(file):
    assert check_card(load_card(file), AstromerConfig.from_pretrained(file.parent), list_names(file.parent)) == []


def test_the_scores_in_front_of_the_shipped_card_are_those_of_the_table_and_of_its_weights():
    folder = ROOT / "model_cards" / "astromer-surveys-small"
    results = read_results(ROOT / "results" / "reconstruction.csv", folder.name, folder / "model.safetensors")
    assert len(results) == 3 * 6
    assert load_card(folder / "README.md").data.eval_results == results, (
        "run: astromer-hf card model_cards/astromer-surveys-small --metrics results/reconstruction.csv"
    )


def test_the_code_of_the_shipped_card_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", Path("model_cards/astromer-surveys-small/README.md").read_text(), re.DOTALL)
    session: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), session)
    assert session["embedding"].shape == (1, 256)
    assert session["embedding"].isfinite().all()


def test_the_configuration_beside_the_card_of_macho_is_what_conversion_writes(macho_a0):
    for name in ("config.json", "preprocessor_config.json"):
        committed, written = (
            json.loads((path / name).read_text()) for path in (ROOT / "model_cards" / "astromer-macho", macho_a0)
        )
        for content in (committed, written):
            content.pop("transformers_version", None)
        assert committed == written


# --- A new card ---


def test_a_new_card_is_finished_and_says_what_the_checkpoint_is(folder):
    card = write_card(folder, CardFacts("astromer/tiny", ("macho", "ogle3"), license="cc-by-4.0", summary="For the tests."))
    config = AstromerConfig.from_pretrained(folder)
    assert check_card(ModelCard.load(folder / "README.md"), config, []) == []
    assert card.data.to_dict() == {
        "license": "cc-by-4.0",
        "library_name": "transformers",
        "pipeline_tag": "feature-extraction",
        "tags": ["astronomy", "light-curves", "time-series", "astromer"],
        "datasets": ["macho", "ogle3"],
    }
    for text in ("For the tests.", "2 blocks of\n4 heads, 16 wide, windows of 20", *SURVEYS["ogle3"].citations):
        assert text in card.text
    assert "leak" not in card.text
    assert "sees what it must predict" not in card.text


def test_the_code_of_a_new_card_runs(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    for name, kind in (("a", AstromerForMaskedReconstruction), ("b", AstromerModel), ("c", None)):
        path = Path("org", name)
        if kind is None:
            classifier(path)
        else:
            kind(AstromerConfig(**TINY)).save_pretrained(path)
        shutil.copy(ROOT / "model_cards" / "astromer-macho" / "preprocessor_config.json", path)
        card = write_card(path, CardFacts(f"org/{name}", ("alcock",), base_model="astromer/macho"))
        (block,) = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
        session: dict[str, Any] = {}
        exec(compile(block, "README.md", "exec"), session)
        if kind is None:
            assert session["label"] in ("RRab", "EC")
        else:
            assert session["embedding"].shape == (1, 16)


def test_a_card_of_the_leaking_mask_says_so(folder):
    AstromerForMaskedReconstruction(AstromerConfig(**TINY, masking_scheme="additive")).save_pretrained(folder)
    assert "sees what it must predict" in write_card(folder, CardFacts("astromer/tiny", ("macho",))).text


@pytest.mark.parametrize("sees_errors", [False, True])
def test_a_card_says_whether_the_model_uses_photometric_errors(tmp_path, sees_errors):
    config = AstromerConfig(**TINY, use_magnitude_errors=sees_errors)
    AstromerForMaskedReconstruction(config).save_pretrained(tmp_path / "tiny")
    text = write_card(tmp_path / "tiny", CardFacts("astromer/tiny", ("macho",))).text
    assert ("| `magnitude_errors` | float32 |" in text) is sees_errors
    assert ("Photometric errors are optional." in text) is sees_errors
    assert ("Errors are not used." in text) is not sees_errors
    rows = text[text.index("| tensor |") :].split("\n\n")[0].split("\n")
    assert len(rows) == 5 + sees_errors  # the table has no blank line


def test_a_prepared_folder_gives_its_splits_to_the_card(folder, tmp_path):
    splits = {"train": {"light_curves": 7}, "test": {"light_curves": 3}}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "preparation.json").write_text(json.dumps({"survey": "mine", "splits": splits}))
    card = write_card(folder, CardFacts("astromer/tiny", (str(tmp_path / "mine"),)))
    assert "Light curves: 7 train, 3 test; no star is in two splits." in card.text
    assert card.data.datasets == ["mine"]
    assert str(tmp_path) not in card.content


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"data": ()}, "Name what the model was trained on"),
        ({"data": ("sdss",)}, "sdss is neither a survey"),
        ({"license": "mine"}, "`license` must be one of mit"),
        ({"base_model": "not an id"}, "`base_model` must hold ids such as organisation/name"),
        ({"metrics": (Path("none.csv"),)}, "There is no file of scores none.csv"),
    ],
)
def test_what_a_card_must_say_and_nobody_told_is_an_error_and_no_card(folder, facts, message):
    with pytest.raises(CardError, match=message):
        write_card(folder, CardFacts(**{"repo_id": "astromer/tiny", "data": ("macho",)} | facts))
    assert not (folder / "README.md").exists()


def test_a_card_of_a_regression_on_ones_own_table_says_what_is_predicted_and_how_well(tmp_path):
    folder, table, scores = (tmp_path / name for name in ("periods", "my stars.csv", "test_results.json"))
    table.write_text("object_id,mjd,mag,log_period\n")
    scores.write_text(json.dumps({"test_rmse": 0.25, "test_r2": 0.5, "test_objects": 20}))
    config = AstromerConfig(**TINY, problem_type="regression", id2label={0: "log_period"}, label2id={"log_period": 0})
    AstromerForSequenceClassification(config).save_pretrained(folder)
    AstromerFeatureExtractor(window_size=config.window_size).save_pretrained(folder)
    card = write_card(folder, CardFacts("astromer/periods", (str(table),), "astromer/macho", metrics=(scores,)))
    assert "Predicts log_period of irregular single-band light curves of variable stars." in card.text
    assert card.data.datasets == ["my-stars"]
    found = [(result.task_name, result.metric_type, result.metric_value) for result in card.data.eval_results]
    assert found == [("Regression of light curves", "rmse", 0.25), ("Regression of light curves", "r_squared", 0.5)]
    (code,) = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
    session: dict[str, Any] = {}
    exec(compile(code.replace("astromer/periods", str(folder)), "README.md", "exec"), session)
    assert session["values"].shape == (1,)


def test_a_classifier_names_the_model_it_was_fine_tuned_from(tmp_path):
    with pytest.raises(CardError, match="`base_model` must name the model"):
        write_card(classifier(tmp_path / "classifier"), CardFacts("astromer/stars", ("alcock",)))
    card = write_card(tmp_path / "classifier", CardFacts("astromer/stars", ("alcock",), base_model="astromer/macho"))
    assert "variable stars: RRab, EC." in card.text
    assert "(https://huggingface.co/astromer/macho)" in card.text


# --- Scores ---


def test_scores_come_from_the_row_of_the_model_and_of_the_windows_that_all_methods_saw(folder, tmp_path):
    scores = write_scores(
        tmp_path / "scores.csv",
        ["ogle3", "mean", "", "subset", 10, 0.5, 0.0, 0.0, 0],
        ["ogle3", "tiny", digest(folder), "all", 90, 0.4, 0.1, 0.2, 0],
        ["ogle3", "tiny", digest(folder), "subset", 10, 0.31416, 0.25, 0.5, 0],
    )
    results = read_results(scores, "tiny", folder / "model.safetensors")
    assert [(result.metric_type, result.metric_value) for result in results] == [
        ("rmse", 0.3142),
        ("r_squared", 0.25),
        ("r_squared", 0.5),
    ]
    assert {(result.dataset_type, result.dataset_split) for result in results} == {("ogle3", "test")}
    card = write_card(folder, CardFacts("astromer/tiny", ("ogle3",), metrics=(scores,)))
    assert "| ogle3 | Masked RMSE of hidden magnitudes, mag | 0.3142 |" in card.text


def test_scores_of_other_weights_or_of_another_model_are_refused(folder, tmp_path):
    scores = write_scores(tmp_path / "scores.csv", ["ogle3", "tiny", "0123456789ab", "subset", 10, 0.3, 0.2, 0.5, 0])
    with pytest.raises(CardError, match=f"scores of other weights \\(0123456789ab\\) than .* \\({digest(folder)}\\)"):
        read_results(scores, "tiny", folder / "model.safetensors")
    with pytest.raises(CardError, match="has no scores of other: run scripts/"):
        read_results(scores, "other", folder / "model.safetensors")
    (tmp_path / "empty.json").write_text("{}")
    with pytest.raises(CardError, match="must hold test_accuracy or test_macro_f1"):
        read_results(tmp_path / "empty.json", "tiny", folder / "model.safetensors", "ogle3")


def test_renewing_scores_changes_nothing_else_of_a_card(folder, tmp_path):
    write_card(folder, CardFacts("astromer/tiny", ("ogle3",)))
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nA sentence by hand.\n")
    before = load_card(folder / "README.md")
    for value in (0.25, 0.75):
        scores = write_scores(tmp_path / "s.csv", ["ogle3", "tiny", digest(folder), "subset", 10, 0.3, value, 0.5, 0])
        assert main(["card", str(folder), "--metrics", str(scores)]) == 0
        after = load_card(folder / "README.md")
        assert after.text == before.text
        assert after.data.eval_results[1].metric_value == value
        front = after.data.to_dict()
        front.pop("model-index")
        assert front == before.data.to_dict()


# --- Checks ---

SPOILED: dict[str, tuple[str, str, str]] = {
    "no licence": ("license: mit\n", "", "`license` must be one of mit, .*, got None"),
    "an invented licence": ("license: mit", "license: free", "got free"),
    "a licence without a name": ("license: mit", "license: other", "`license: other` needs a `license_name`"),
    "another library": ("library_name: transformers", "library_name: keras", "`library_name` must be transformers, got keras"),
    "an invented task": (
        "feature-extraction",
        "starring",
        "`pipeline_tag` must be one of .*, got starring",
    ),
    "a missing tag": ("- light-curves\n", "", "`tags` lack light-curves"),
    "no data": ("datasets:\n- macho\n", "", "`datasets` must list"),
    "no limits": ("## Limits", "## Praise", "sections are missing: Limits"),
    "no citation": ("## Citation", "## Thanks", "sections are missing: Citation"),
    "a placeholder": ("## Limits", "## Limits\n\n[More Information Needed]", "a placeholder was left in the text"),
    "no example": ("```python", "```", "no Python example"),
    "a picture that is not there": (
        "## Limits",
        "## Limits\n\n![stars](stars.png)",
        "not beside the card: stars.png",
    ),
}


@pytest.mark.parametrize(("old", "new", "message"), SPOILED.values(), ids=SPOILED)
def test_each_thing_that_a_card_lacks_is_named(folder, old, new, message):
    write_card(folder, CardFacts("astromer/tiny", ("macho",)))
    text = (folder / "README.md").read_text()
    assert old in text
    (folder / "README.md").write_text(text.replace(old, new, 1))
    (problem,) = check_card(load_card(folder / "README.md"), AstromerConfig.from_pretrained(folder), [])
    assert re.search(message, problem)


def test_scores_that_are_no_numbers_are_named(folder, tmp_path):
    write_card(folder, CardFacts("astromer/tiny", ("macho",)))
    scores = write_scores(tmp_path / "s.csv", ["ogle3", "tiny", digest(folder), "subset", 10, 0.3, "nan", 0.5, 0])
    update_results(folder / "README.md", [scores])
    (problem,) = check_card(load_card(folder / "README.md"), AstromerConfig.from_pretrained(folder), [])
    assert "`model-index` must hold measured numbers, got nan" in problem


@pytest.mark.parametrize("front", ["- a\n- list", "a: [unclosed", "model-index: 3"])
def test_front_matter_that_cannot_be_read_is_one_clear_error(tmp_path, front):
    (tmp_path / "README.md").write_text(f"---\n{front}\n---\n# Card\n")
    with pytest.raises(CardError, match=r"The front matter of .* cannot be read: ") as error:
        load_card(tmp_path / "README.md")
    assert "\n" not in str(error.value)


def test_a_card_of_the_libraries_is_a_placeholder_and_ours_is_not(folder, tmp_path):
    assert is_placeholder(tmp_path / "none.md")
    from huggingface_hub import ModelCardData

    ModelCard.from_template(ModelCardData(license="mit")).save(tmp_path / "template.md")
    assert is_placeholder(tmp_path / "template.md")
    write_card(folder, CardFacts("astromer/tiny", ("macho",)))
    assert not is_placeholder(folder / "README.md")


# --- The command ---


def test_the_card_command_writes_once_and_then_asks_for_scores(folder, capsys):
    assert main(["card", str(folder)]) == 1
    assert "give ORG/NAME after the folder" in capsys.readouterr().err
    assert main(["card", str(folder), "astromer/tiny", "--data", "macho"]) == 0
    assert capsys.readouterr().out == f"wrote {folder / 'README.md'}: read it before you share it\n"
    assert main(["card", str(folder), "astromer/tiny", "--data", "macho"]) == 1
    assert "exists already: give --metrics to update its scores" in capsys.readouterr().err
    assert main(["check", str(folder)]) == 0
    assert "ok: the card is finished" in capsys.readouterr().out


@pytest.fixture(autouse=True)
def _seeded_weights() -> None:
    torch.manual_seed(0)
