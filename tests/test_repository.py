# Copyright 2026 The astromer_hf developers. MIT licence.
"""What GitHub reads beside the code: workflows, templates, dependabot, the citation. Checked without GitHub."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def load(path: Path) -> Any:
    """A YAML file; BaseLoader keeps every value a string, so that `on` is no boolean and "3.10" no number."""
    return yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_the_keys_that_github_reads_and_no_other(path: Path):
    workflow = load(path)
    assert {"name", "on", "permissions", "jobs"} <= set(workflow) <= {"name", "on", "permissions", "jobs", "concurrency"}
    assert set(workflow["on"]) <= {"push", "pull_request", "schedule", "workflow_dispatch"}
    assert workflow["permissions"] == {"contents": "read"}  # a job that needs more says so itself
    allowed = {"runs-on", "timeout-minutes", "steps", "strategy", "needs", "permissions", "environment", "if"}
    for job in workflow["jobs"].values():
        assert {"runs-on", "timeout-minutes", "steps"} <= set(job) <= allowed
        assert job.get("needs", next(iter(workflow["jobs"]))) in workflow["jobs"]
    for step in steps(workflow):
        assert ("uses" in step) != ("run" in step)
        assert set(step) <= {"name", "id", "if", "uses", "with", "run", "env"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_full_version_and_takes_no_secret(path: Path):
    uses = [step["uses"] for step in steps(load(path)) if "uses" in step]
    assert uses
    assert [name for name in uses if not re.fullmatch(r"(actions|pypa)/[\w-]+@v\d+\.\d+\.\d+", name)] == []
    assert "secrets." not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_expression_of_a_workflow_names_something_that_is_there(path: Path):
    text, workflow = path.read_text(encoding="utf-8"), load(path)
    expressions = re.findall(r"\$\{\{ ([\w.-]+) \}\}", text)
    assert text.count("${{") == len(expressions)
    matrices = [job["strategy"]["matrix"] for job in workflow["jobs"].values() if "strategy" in job]
    matrix = {key for one in matrices for key in (*one, *(key for row in one.get("include", []) for key in row))}
    ids = {step["id"] for step in steps(workflow) if "id" in step}
    for expression in expressions:
        context, name, *_ = expression.split(".")
        assert context in ("github", "matrix", "steps")
        assert context != "matrix" or name in matrix
        assert context != "steps" or name in ids


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_target_of_make_that_a_workflow_calls_is_there(path: Path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = [target for step in steps(load(path)) for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))]
    assert set(called) <= targets


def test_the_tests_run_on_every_version_of_python_that_the_package_names():
    versions = load(GITHUB / "workflows" / "tests.yml")["jobs"]["test"]["strategy"]["matrix"]["python-version"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert versions == named
    supported = SpecifierSet(PROJECT["requires-python"])
    assert all(name in supported for name in named)


def test_the_nightly_upgrades_what_the_package_builds_on():
    job = load(GITHUB / "workflows" / "nightly.yml")["jobs"]["test"]
    for row in job["strategy"]["matrix"]["include"]:
        for package in ("transformers", "datasets", "huggingface_hub"):
            assert package in row["packages"]
            assert any(requirement.startswith(package) for requirement in PROJECT["dependencies"])
    assert "--upgrade ${{ matrix.packages }}" in " ".join(step.get("run", "") for step in job["steps"])


def test_publishing_uses_a_short_lived_identity_and_only_what_was_built_and_tried():
    workflow = load(GITHUB / "workflows" / "release.yml")
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert publish["needs"] == "build"
    assert publish["permissions"] == {"id-token": "write"}
    uploaded = [step["with"]["name"] for step in build["steps"] if "upload-artifact" in step.get("uses", "")]
    downloaded = [step["with"]["name"] for step in publish["steps"] if "download-artifact" in step.get("uses", "")]
    assert uploaded == downloaded == ["dist"]


def test_the_command_that_compares_tag_and_version_finds_the_version():
    import astromer_hf

    assert f'__version__ = "{astromer_hf.__version__}"' in (ROOT / "astromer_hf" / "__init__.py").read_text().splitlines()
    run = "\n".join(step.get("run", "") for step in steps(load(GITHUB / "workflows" / "release.yml")))
    assert '__version__ = \\"${GITHUB_REF_NAME#v}\\"' in run


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_has_what_github_needs(path: Path):
    form = load(path)
    assert {"name", "description", "body"} <= set(form) <= {"name", "description", "labels", "body"}
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert ids
    assert len(ids) == len(set(ids))
    for field in form["body"]:
        assert field["type"] in ("markdown", "textarea", "input")
        assert ("value" if field["type"] == "markdown" else "label") in field["attributes"]


def test_there_are_forms_for_a_fault_an_idea_and_a_question_and_a_template_for_a_pull_request():
    assert [path.stem for path in FORMS] == ["bug", "idea", "question"]
    assert "astromer-hf env" in (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8")
    assert "make check" in (GITHUB / "pull_request_template.md").read_text(encoding="utf-8")
    assert (ROOT / "CODE_OF_CONDUCT.md").is_file()


def test_dependabot_looks_after_actions_and_packages():
    config = load(GITHUB / "dependabot.yml")
    assert config["version"] == "2"
    assert [update["package-ecosystem"] for update in config["updates"]] == ["github-actions", "pip"]
    for update in config["updates"]:
        assert update["directory"] == "/"
        assert update["schedule"]["interval"] == "weekly"


def test_the_citation_has_the_fields_of_its_format_and_the_version_and_licence_of_the_package():
    import astromer_hf

    citation = load(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == astromer_hf.__version__ == version("astromer-hf")
    assert citation["license"] == PROJECT["license"]
    assert citation["type"] == "software"
    assert citation["message"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]
    (paper,) = citation["references"]
    assert PROJECT["urls"]["Paper"] == f"https://doi.org/{paper['doi']}"
    assert all({"family-names", "given-names"} <= set(author) for author in paper["authors"])


def test_where_the_address_of_the_repository_is_given_it_is_the_same_everywhere():
    given = {load(ROOT / "CITATION.cff").get("repository-code"), PROJECT["urls"].get("Repository")}
    assert len(given) == 1
