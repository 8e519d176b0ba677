# Copyright 2026 The astromer_hf developers. MIT licence.
"""Share checkpoints and datasets on the Hub: only files of a list, after a check, in one commit.

`check.py` runs the check; the command line and `trainer.py` push. The files of `astromer_hf/model/` are pushed with a
checkpoint, so it loads without the package.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.numpy
from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from ..model.sharing_astromer import AUTO_MAP, EXTRACTOR_MAP, list_pipelines
from .check import (
    DATASET_FILES,
    CheckReport,
    check_checkpoint,
    check_dataset,
    checkpoint_files,
    default_extractor,
    is_weights,
    listed_files,
    make_test_vector,
    packaged_code,
)
from .load import CODE_FILES, TEST_VECTOR_FILE, HubError, ModelError, hub_errors, load_model
from .model_card import CARD_FILE, load_card, shown_pictures
from .secrets import find_private


@dataclass(frozen=True)
class Pushed:
    """The result of a push: the commit, and the address of the pull request if one was opened."""

    commit: CommitInfo
    repo_id: str
    files: tuple[str, ...]
    private: bool
    pull_request: str | None = None


def push_checkpoint(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    tag: str | None = None,
    parent: str | None = None,
    message: str | None = None,
    token: str | None = None,
) -> Pushed:
    """Share a checkpoint: weights, configuration, feature extractor, card, code and test vector, and nothing else.

    With the code files people without the package can load it with `trust_remote_code=True`. In a repository of another user a
    pull request is opened.

    Args:
        folder: with `config.json`, `model.safetensors` and a finished `README.md`.
        repo_id: `organisation/name`.
        private: whether a new repository is private.
        revision: branch to push to, created if needed; `main` when absent.
        tag: of the new commit, such as `v1.0`.
        parent: commit that the push must build on; the newest when absent. If there are later commits, nothing is pushed.
        message: of the commit.
        token: of the Hub; the one of `hf auth login` or `HF_TOKEN` when absent.

    Raises:
        ModelError: `check_checkpoint` found problems; nothing was sent.
        HubError: the Hub rejected the push. Nothing was committed, unless the message names a commit that could not be tagged.
    """
    folder = Path(folder)
    report = check_checkpoint(str(folder))
    _raise_problems(folder, report)
    files = gather_checkpoint(folder, repo_id)
    _raise_problems(folder, CheckReport(problems=find_private(files)))
    return _push(
        files, repo_id, "model", private=private, revision=revision, tag=tag, parent=parent, message=message, token=token
    )


def push_dataset(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    tag: str | None = None,
    parent: str | None = None,
    message: str | None = None,
    token: str | None = None,
) -> Pushed:
    """Share a folder written by `scripts/prepare_dataset.py`: shards, card and preparation record; see `push_checkpoint`."""
    folder = Path(folder)
    _raise_problems(folder, check_dataset(folder))
    files = listed_files(folder, DATASET_FILES)
    return _push(
        files,
        repo_id,
        "dataset",
        private=private,
        revision=revision,
        tag=tag,
        parent=parent,
        message=message,
        token=token,
    )


def gather_checkpoint(folder: Path, repo_id: str | None = None) -> dict[str, Path | bytes]:
    """The files of a push by name: those of the list, and from the package the code and its entries in the config.

    A card that was written before the repository had a name, by `astromer-hf fit`, gets it.
    """
    pictures = shown_pictures(load_card(folder / CARD_FILE).text)
    files: dict[str, Path | bytes] = {**checkpoint_files(folder, pictures)}
    model, feature_extractor = load_model(str(folder))
    extractor = feature_extractor or default_extractor(model)
    # Not written by `register_for_auto_class`, which names one class only and makes all later checkpoints copy code.
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"auto_map": AUTO_MAP, "custom_pipelines": list_pipelines(type(model).__name__)}
    preprocessor = extractor.to_dict() | {"auto_map": EXTRACTOR_MAP}
    files["config.json"] = _as_json(config)
    files["preprocessor_config.json"] = _as_json(preprocessor)
    if repo_id is not None:
        card = (folder / CARD_FILE).read_text(encoding="utf-8")
        files[CARD_FILE] = re.sub(r'^name = "[^/"]+"$', f'name = "{repo_id}"', card, flags=re.MULTILINE).encode()
    files |= {name: packaged_code(name) for name in CODE_FILES}
    if TEST_VECTOR_FILE not in files:
        files[TEST_VECTOR_FILE] = safetensors.numpy.save(make_test_vector(model, extractor))
    return files


def _as_json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def _raise_problems(folder: Path, report: CheckReport) -> None:
    if report.problems:
        raise ModelError(f"{folder} is not ready to be shared: {'; '.join(report.problems)}")


def _push(
    files: Mapping[str, Path | bytes],
    repo_id: str,
    kind: str,
    *,
    private: bool,
    revision: str | None,
    tag: str | None,
    parent: str | None,
    message: str | None,
    token: str | None,
) -> Pushed:
    """Commit files on top of the current state of the repository. A concurrent change is an error; it is not overwritten."""
    api = HfApi(token=token, library_name="astromer-hf")
    operations = [CommitOperationAdd(name, source) for name, source in sorted(files.items())]
    commit = None
    try:
        with hub_errors(repo_id, revision):
            validate_repo_id(repo_id)
            if "/" not in repo_id:
                raise HFValidationError(repo_id)
            is_ours = _may_write(api.whoami(), repo_id)
            if is_ours:
                api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True)
            elif tag is not None:
                raise HubError(f"{repo_id} belongs to another user: a pull request cannot be tagged, push without a tag.")
            if tag is not None and tag in {ref.name for ref in api.list_repo_refs(repo_id, repo_type=kind).tags}:
                raise HubError(f"{repo_id} has a tag {tag} already: name another one.")
            if is_ours and revision is not None:
                api.create_branch(repo_id, branch=revision, repo_type=kind, exist_ok=True)
            info = api.repo_info(repo_id, repo_type=kind, revision=revision)
            # Weights of an earlier push in the other layout, which transformers would load in place of these.
            others = set(api.list_repo_files(repo_id, revision=info.sha)) - files.keys() if kind == "model" else set()
            commit = api.create_commit(
                repo_id,
                [*operations, *(CommitOperationDelete(name) for name in sorted(others) if is_weights(name))],
                commit_message=message or f"Upload {repo_id.split('/')[-1]}",
                repo_type=kind,
                revision=revision,
                parent_commit=parent or info.sha,
                create_pr=not is_ours,
            )
            if tag is not None:
                api.create_tag(repo_id, tag=tag, revision=commit.oid, repo_type=kind)
    except HubError as error:
        what = repo_id if commit is None else f"the tag {tag} of the commit {commit.oid} that it has now"
        raise HubError(f"The Hub did not take {what}: {error}") from error.__cause__
    return Pushed(commit, repo_id, tuple(sorted(files)), bool(info.private), commit.pr_url)


def _may_write(who: Mapping[str, Any], repo_id: str) -> bool:
    """Whether a repository belongs to the user, or to an organisation in which they may write.

    Raises:
        HubError: the token can only read.
    """
    if who.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise HubError("your token only reads: `hf auth login` with one that may write, or set HF_TOKEN.")
    writers = {one["name"] for one in who.get("orgs", []) if one.get("roleInOrg", "write") in ("admin", "write", "contributor")}
    return repo_id.split("/")[0] in {who["name"], *writers}
