# Copyright 2026 The astromer_hf developers. MIT licence.
"""A Hugging Face Hub on loopback, in memory: what `huggingface_hub`, `transformers` and `datasets` ask of one, and no more.

`with LoopbackHub(accounts) as hub:` serves models and datasets at `hub.url` (give it to a process as `HF_ENDPOINT`), and their
large files from a second origin, as the Hub does. Failures are part of it: bad and read-only tokens, private repos, stale
parents, statuses put in the way by `fail`, large files damaged by `corrupt`. `hub.requests` has what was asked.

Large files come and go by git-LFS, or by Xet where `xet_store` names a folder: `hf_xet` then keeps them in that folder itself,
which both processes see, and the Hub knows only their names.
"""

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

LARGE_SUFFIXES = (".safetensors", ".bin", ".parquet", ".png")  # what the Hub's .gitattributes send to large-file storage
DATE = "2026-01-01T00:00:00.000Z"
REPO = r"(?P<kind>models|datasets)/(?P<repo>[^/]+/[^/]+)"


@dataclass(frozen=True)
class Account:
    """Who a token belongs to: a name, the organisations it may write to, and whether the token may write at all."""

    name: str
    organisations: tuple[str, ...] = ()
    role: str = "write"

    def may_write(self, repo_id: str) -> bool:
        return self.role == "write" and repo_id.split("/")[0] in (self.name, *self.organisations)


@dataclass(frozen=True)
class Blob:
    """A file of a commit: its bytes, or the SHA-256 under which storage has them."""

    size: int
    content: bytes | None = None
    sha256: str | None = None

    @property
    def oid(self) -> str:
        content = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()
        content = content if self.content is None else self.content
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def describe(self, path: str) -> dict[str, Any]:
        large = {"lfs": {"oid": self.sha256, "sha256": self.sha256, "size": self.size, "pointerSize": 130}}
        return {"type": "file", "path": path, "oid": self.oid, "size": self.size, **(large if self.sha256 else {})}


@dataclass
class Repo:
    """A repository: commits by sha, and what points to them."""

    private: bool
    gated: bool = False
    files: dict[str, dict[str, Blob]] = field(default_factory=dict)  # commit -> path -> blob
    titles: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)  # refs/heads/main, refs/tags/v1, refs/pr/1

    def commit(self, ref: str, parent: str | None, files: dict[str, Blob], title: str) -> str:
        text = json.dumps([parent, title, len(self.files), sorted((path, blob.oid) for path, blob in files.items())])
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.files[sha], self.titles[sha], self.parents[sha], self.refs[ref] = files, title, parent, sha
        return sha

    def find(self, revision: str) -> str | None:
        """The commit of a branch, tag, pull request or (abbreviated) sha."""
        for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if ref in self.refs:
                return self.refs[ref]
        return next((sha for sha in self.files if len(revision) >= 7 and sha.startswith(revision)), None)


@dataclass
class Fault:
    """The next `times` requests of `method` whose path matches get `status` instead of an answer."""

    method: str
    path: re.Pattern[str]
    status: int
    times: int


class HubError(Exception):
    """An answer other than success, with the headers and body by which the client tells what is wrong."""

    def __init__(self, status: int, message: str, code: str | None = None, **body: Any):
        super().__init__(message)
        self.status, self.body = status, {"error": message, **body}
        self.headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})


class LoopbackHub:
    """The two servers and what they hold; see the module's docstring.

    Args:
        accounts: token -> account.
        xet_store: folder for large files uploaded by `hf_xet`; without it the client must have Xet switched off.
    """

    def __init__(self, accounts: Mapping[str, Account], xet_store: Path | None = None):
        self.accounts, self.xet_store = dict(accounts), xet_store
        self.repos: dict[tuple[str, str], Repo] = {}
        self.objects: dict[str, bytes] = {}  # SHA-256 -> large file
        self.xet_hashes: dict[str, str] = {}  # SHA-256 -> name in the Xet store
        self.requests: list[tuple[str, str, int]] = []
        self.storage_authorizations: list[str] = []  # what no client may send there
        self.faults: list[Fault] = []
        self.damage: dict[str, Callable[[bytes], bytes]] = {}
        self.lock = threading.RLock()
        self._servers = [_Server(self, _HubHandler), _Server(self, _StorageHandler)]
        self.url, self.storage_url = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def fail(self, method: str, path: str, status: int = 503, times: int = 1) -> None:
        """Answer the next requests that match with `status`."""
        self.faults.append(Fault(method, re.compile(path), status, times))

    def corrupt(self, sha256: str, damage: Callable[[bytes], bytes]) -> None:
        """Serve a large file damaged from now on."""
        self.damage[sha256] = damage

    def expect_through_xet(self, *files: Path) -> None:
        """Learn the names that `hf_xet` gives to these files; the real Hub asks its store, whose index is its own affair."""
        import hf_xet

        for file in files:
            (found,) = hf_xet.hash_files([str(file)])
            self.xet_hashes[hashlib.sha256(file.read_bytes()).hexdigest()] = found.hash

    def repo(self, repo_id: str, kind: str = "models") -> Repo:
        return self.repos[kind, repo_id]

    def read(self, repo_id: str, path: str, revision: str = "main", kind: str = "models") -> bytes:
        """A file's bytes, as a test wants to see them."""
        repo = self.repo(repo_id, kind)
        blob = repo.files[repo.find(revision) or ""][path]
        return self.objects[str(blob.sha256)] if blob.content is None else blob.content

    def list_files(self, repo_id: str, revision: str = "main", kind: str = "models") -> list[str]:
        repo = self.repo(repo_id, kind)
        return sorted(repo.files[repo.find(revision) or ""])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: LoopbackHub, handler: type[BaseHTTPRequestHandler]):
        super().__init__(("127.0.0.1", 0), handler)
        self.hub = hub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.hub = self.server.hub

    def log_message(self, *_: object) -> None:
        pass

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        self.hub.requests.append((self.command, self.path, int(code)))

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def send(self, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_content(self, content: bytes, headers: Mapping[str, str]) -> None:
        """All of it, or the range that was asked for."""
        headers = {"Accept-Ranges": "bytes", **headers}
        if not (found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))):
            return self.send(200, content, headers)
        first, last = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
        if first >= len(content):
            return self.send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        return self.send(206, content[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(content)}"})


class _StorageHandler(_Handler):
    """Where large files lie: anyone with the address may put and get them, and nobody shows a token."""

    def do_PUT(self) -> None:
        self._note_authorization()
        self.hub.objects[self.path.strip("/")] = self.body()
        self.send(200, b"", {"ETag": '"stored"'})

    def do_GET(self) -> None:
        self._note_authorization()
        sha256 = self.path.strip("/")
        content = self.hub.objects[sha256]
        self.send_content(self.hub.damage.get(sha256, bytes)(content), {"ETag": f'"{sha256}"'})

    def _note_authorization(self) -> None:
        if value := self.headers.get("Authorization"):
            self.hub.storage_authorizations.append(value)


class _HubHandler(_Handler):
    """The routes, each a method of `_ROUTES`; what they return is sent as JSON."""

    def _answer(self) -> None:
        body, url = self.body(), urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            with self.hub.lock:
                self._meet_faults(url.path)
                for methods, pattern, route in _ROUTES:
                    if self.command in methods.split() and (found := re.fullmatch(pattern, url.path)):
                        arguments = {name: unquote(value) for name, value in found.groupdict().items() if value is not None}
                        answer = route(self, body, **arguments)
                        break
                else:
                    raise HubError(404, f"There is no {self.command} {self.path} on this Hub.")
        except HubError as error:
            return self.send(error.status, json.dumps(error.body).encode(), error.headers)
        if answer is not None:
            self.send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    do_GET = do_HEAD = do_POST = do_DELETE = _answer

    def _meet_faults(self, path: str) -> None:
        for fault in self.hub.faults:
            if fault.times and fault.method == self.command and fault.path.search(path):
                fault.times -= 1
                raise HubError(fault.status, "injected")

    # --- Who asks, and for what ---

    def _account(self) -> Account | None:
        if not (header := self.headers.get("Authorization")):
            return None
        if (account := self.hub.accounts.get(header.removeprefix("Bearer "))) is None:
            raise HubError(401, "Invalid credentials in Authorization header")
        return account

    def _writer(self, repo_id: str) -> None:
        account = self._account()
        if account is None:
            raise HubError(401, "Invalid username or password.")
        if not account.may_write(repo_id):
            raise HubError(403, f"You don't have the rights to write to {repo_id}")

    def _repo(self, kind: str, repo_id: str) -> Repo:
        account, repo = self._account(), self.hub.repos.get((kind, repo_id))
        owners = () if account is None else (account.name, *account.organisations)
        if repo is None or (repo.private and repo_id.split("/")[0] not in owners):
            raise HubError(401 if account is None else 404, "Repository not found", "RepoNotFound")
        return repo

    def _commit(self, kind: str, repo_id: str, revision: str) -> tuple[Repo, str]:
        repo = self._repo(kind, repo_id)
        if (sha := repo.find(revision)) is None:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return repo, sha

    # --- Accounts and repositories ---

    def whoami(self, body: bytes) -> Any:
        if (account := self._account()) is None:
            raise HubError(401, "Invalid username or password.")
        organisations = [{"name": name, "roleInOrg": "write"} for name in account.organisations]
        access = {"type": "access_token", "accessToken": {"displayName": "test", "role": account.role}}
        return {"type": "user", "name": account.name, "orgs": organisations, "auth": access}

    def validate_yaml(self, body: bytes) -> Any:
        block = re.match(r"---\n(.*?)\n---", json.loads(body)["content"], re.DOTALL)
        try:
            valid = block is None or isinstance(yaml.safe_load(block[1]), dict)
        except yaml.YAMLError:
            valid = False
        if not valid:
            raise HubError(400, "Invalid metadata", errors=[{"message": "the metadata is no YAML mapping"}])
        return {"errors": [], "warnings": [] if block else [{"message": "empty or missing yaml metadata in repo card"}]}

    def create_repo(self, body: bytes) -> Any:
        asked = json.loads(body)
        account = self._account()
        repo_id = f"{asked.get('organization') or (account.name if account else '')}/{asked['name']}"
        self._writer(repo_id)
        kind = f"{asked.get('type') or 'model'}s"
        url = f"{self.hub.url}/{'datasets/' if kind == 'datasets' else ''}{repo_id}"
        if (kind, repo_id) in self.hub.repos:
            raise HubError(409, f"You already created this {kind[:-1]} repo", url=url)
        repo = self.hub.repos[kind, repo_id] = Repo(private=asked.get("visibility") == "private")
        content = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE_SUFFIXES).encode()
        repo.commit("refs/heads/main", None, {".gitattributes": Blob(len(content), content)}, "initial commit")
        return {"url": url, "name": repo_id, "id": repo_id}

    def delete_repo(self, body: bytes) -> Any:
        asked = json.loads(body)
        repo_id = f"{asked['organization']}/{asked['name']}"
        self._writer(repo_id)
        if self.hub.repos.pop((f"{asked.get('type') or 'model'}s", repo_id), None) is None:
            raise HubError(404, "Repository not found", "RepoNotFound")
        return {}

    def info(self, body: bytes, kind: str, repo: str, revision: str = "main") -> Any:
        found, sha = self._commit(kind, repo, revision)
        files = found.files[sha]
        card = files["README.md"].content if "README.md" in files else None
        block = re.match(r"---\n(.*?)\n---", (card or b"").decode(), re.DOTALL)
        data = yaml.safe_load(block[1]) if block else {}
        siblings = [
            {"rfilename": path} | ({"size": blob.size} if "blobs" in self.query else {}) for path, blob in files.items()
        ]
        about = {"id": repo, "author": repo.split("/")[0], "private": found.private, "gated": False, "disabled": False}
        return about | {"sha": sha, "lastModified": DATE, "tags": data.get("tags", []), "cardData": data, "siblings": siblings}

    # --- Upload ---

    def preupload(self, body: bytes, kind: str, repo: str, revision: str) -> Any:
        found, sha = self._commit(kind, repo, revision)
        answer = []
        for asked in json.loads(body)["files"]:
            known = found.files[sha].get(asked["path"])
            large = asked["path"].endswith(LARGE_SUFFIXES) or asked["size"] > 10_000_000
            oid = {} if known is None else {"oid": known.sha256 or known.oid}
            answer.append({"path": asked["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, **oid})
        return {"files": answer}

    def lfs_batch(self, body: bytes, repo: str, prefix: str = "") -> Any:
        self._repo("datasets" if prefix else "models", repo)
        answer = []
        for asked in json.loads(body)["objects"]:
            upload = {"href": f"{self.hub.storage_url}/{asked['oid']}"}
            actions = {"upload": upload, "verify": {"href": f"{self.hub.url}/lfs/verify"}}
            answer.append({**asked} if asked["oid"] in self.hub.objects else {**asked, "actions": actions})
        return {"transfer": "basic", "objects": answer}

    def lfs_verify(self, body: bytes) -> Any:
        asked = json.loads(body)
        content = self.hub.objects.get(asked["oid"], b"")
        if len(content) != asked["size"] or hashlib.sha256(content).hexdigest() != asked["oid"]:
            raise HubError(422, "The uploaded file is not what was announced")
        return {}

    def xet_token(self, body: bytes, kind: str, repo: str, access: str, revision: str) -> Any:
        self._repo(kind, repo)
        if self.hub.xet_store is None:
            raise HubError(404, "This Hub has no Xet store: set HF_HUB_DISABLE_XET")
        token = {"accessToken": "xet", "exp": int(time.time()) + 3600, "casUrl": f"local://{self.hub.xet_store}"}
        headers = {"X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": str(token["exp"]), "X-Xet-Cas-Url": token["casUrl"]}
        return self.send(200, json.dumps(token).encode(), headers)

    def commit(self, body: bytes, kind: str, repo: str, revision: str) -> Any:
        found, head = self._commit(kind, repo, revision)
        account, as_pull_request = self._account(), self.query.get("create_pr") == "1"
        if not as_pull_request or account is None or account.role != "write":  # anyone who may write somewhere may propose
            self._writer(repo)
        header, *operations = (json.loads(line) for line in body.splitlines())
        if header["value"].get("parentCommit", head) != head and not as_pull_request:
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(found.files[head])
        for operation in operations:
            path, value = operation["value"]["path"], operation["value"]
            if operation["key"] == "file":
                content = base64.b64decode(value["content"])
                files[path] = Blob(len(content), content)
            elif operation["key"] == "lfsFile":
                if value["oid"] not in self.hub.objects and value["oid"] not in self.hub.xet_hashes:
                    raise HubError(400, f"The large file {path} was not uploaded before the commit")
                files[path] = Blob(value.get("size") or len(self.hub.objects[value["oid"]]), sha256=value["oid"])
            else:  # deletedFile, deletedFolder
                files = {name: blob for name, blob in files.items() if name != path and not name.startswith(f"{path}/")}
        number = 1 + sum(ref.startswith("refs/pr/") for ref in found.refs)
        branch = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
        sha = found.commit(f"refs/pr/{number}" if as_pull_request else branch, head, files, header["value"]["summary"])
        url = f"{self.hub.url}/{'datasets/' if kind == 'datasets' else ''}{repo}"
        answer = {"success": True, "commitOid": sha, "commitUrl": f"{url}/commit/{sha}", "hookOutput": ""}
        return answer | ({"pullRequestUrl": f"{url}/discussions/{number}"} if as_pull_request else {})

    # --- What is there ---

    def refs(self, body: bytes, kind: str, repo: str) -> Any:
        groups: dict[str, list[dict[str, str]]] = {"branches": [], "tags": [], "converts": [], "pullRequests": []}
        for ref, sha in self._repo(kind, repo).refs.items():
            group = {"heads": "branches", "tags": "tags", "pr": "pullRequests"}[ref.split("/")[1]]
            groups[group].append({"name": ref.split("/", 2)[2], "ref": ref, "targetCommit": sha})
        return groups

    def change_ref(self, body: bytes, kind: str, repo: str, what: str, name: str) -> Any:
        """Branches are named in the address and start at a revision in the body, tags the other way round."""
        self._writer(repo)
        asked = json.loads(body or b"{}")
        start = asked.get("startingPoint", "main") if what == "branch" else name
        ref = f"refs/heads/{name}" if what == "branch" else f"refs/tags/{asked.get('tag', name)}"
        found = self._repo(kind, repo)
        if self.command == "DELETE":
            found.refs.pop(ref, None)
            return {}
        if ref in found.refs:
            raise HubError(409, f"Reference {ref} exists already")
        found.refs[ref] = self._commit(kind, repo, start)[1]
        return {}

    def commits(self, body: bytes, kind: str, repo: str, revision: str) -> Any:
        found, sha = self._commit(kind, repo, revision)
        answer, current = [], sha
        while current:
            answer.append({"id": current, "title": found.titles[current], "message": "", "authors": [], "date": DATE})
            current = found.parents[current] or ""
        return answer

    def tree(self, body: bytes, kind: str, repo: str, revision: str, path: str = "") -> Any:
        found, sha = self._commit(kind, repo, revision)
        files, prefix = found.files[sha], f"{path}/" if path else ""
        below = {name: blob for name, blob in files.items() if name.startswith(prefix)}
        if path and not below:
            raise HubError(404, f"{path} does not exist on {revision}", "EntryNotFound")
        folders = {name[: match.start()] for name in below for match in re.finditer("/", name)} - {path}
        entries = [self._describe(name, blob) for name, blob in below.items()]
        entries += [{"type": "directory", "path": name, "oid": hashlib.sha1(name.encode()).hexdigest()} for name in folders]
        deep = self.query.get("recursive", "").lower() == "true"
        return [entry for entry in entries if deep or "/" not in entry["path"].removeprefix(prefix)]

    def _describe(self, path: str, blob: Blob) -> dict[str, Any]:
        xet_hash = self.hub.xet_hashes.get(str(blob.sha256))
        return blob.describe(path) | ({"xetHash": xet_hash} if xet_hash else {})

    def paths_info(self, body: bytes, kind: str, repo: str, revision: str) -> Any:
        found, sha = self._commit(kind, repo, revision)
        answer, files = [], found.files[sha]
        for path in parse_qs(body.decode()).get("paths", []):
            if path in files:
                answer.append(self._describe(path, files[path]))
            elif any(name.startswith(f"{path}/") for name in files):
                answer.append({"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest()})
        return answer

    def resolve(self, body: bytes, repo: str, revision: str, path: str, prefix: str = "") -> Any:
        kind = "datasets" if prefix else "models"
        found, sha = self._commit(kind, repo, revision)
        if found.gated:  # to everyone: nobody has asked for access here
            message = f"Access to {kind[:-1]} {repo} is restricted"
            raise HubError(401 if self._account() is None else 403, message, "GatedRepo")
        if (blob := found.files[sha].get(path)) is None:
            error = HubError(404, "Entry not found", "EntryNotFound")
            return self.send(404, b"Entry not found", error.headers | {"X-Repo-Commit": sha})
        headers = {"X-Repo-Commit": sha, "ETag": f'"{blob.oid}"'}
        if blob.content is not None:
            return self.send_content(blob.content, headers)
        headers |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(blob.size)}
        if xet_hash := self.hub.xet_hashes.get(str(blob.sha256)):
            headers |= {
                "X-Xet-Hash": xet_hash,
                "Link": f'<{self.hub.url}/api/{kind}/{repo}/xet-read-token/{sha}>; rel="xet-auth"',
            }
        return self.send(302, b"", headers | {"Location": f"{self.hub.storage_url}/{blob.sha256}"})


_ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", r"/api/whoami-v2", _HubHandler.whoami),
    ("POST", r"/api/validate-yaml", _HubHandler.validate_yaml),
    ("POST", r"/api/repos/create", _HubHandler.create_repo),
    ("DELETE", r"/api/repos/delete", _HubHandler.delete_repo),
    ("GET", rf"/api/{REPO}", _HubHandler.info),
    ("GET", rf"/api/{REPO}/revision/(?P<revision>[^/]+)", _HubHandler.info),
    ("POST", rf"/api/{REPO}/preupload/(?P<revision>[^/]+)", _HubHandler.preupload),
    ("POST", r"/(?P<prefix>datasets/)?(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch", _HubHandler.lfs_batch),
    ("POST", r"/lfs/verify", _HubHandler.lfs_verify),
    ("GET", rf"/api/{REPO}/xet-(?P<access>read|write)-token/(?P<revision>[^/]+)", _HubHandler.xet_token),
    ("POST", rf"/api/{REPO}/commit/(?P<revision>[^/]+)", _HubHandler.commit),
    ("GET", rf"/api/{REPO}/refs", _HubHandler.refs),
    ("POST DELETE", rf"/api/{REPO}/(?P<what>branch|tag)/(?P<name>[^/]+)", _HubHandler.change_ref),
    ("GET", rf"/api/{REPO}/commits/(?P<revision>[^/]+)", _HubHandler.commits),
    ("GET", rf"/api/{REPO}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?", _HubHandler.tree),
    ("POST", rf"/api/{REPO}/paths-info/(?P<revision>[^/]+)", _HubHandler.paths_info),
    ("GET HEAD", r"/(?P<prefix>datasets/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _HubHandler.resolve),
]
