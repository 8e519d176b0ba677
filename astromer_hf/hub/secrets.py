# Copyright 2026 The astromer_hf developers. MIT licence.
"""Tokens, keys and home paths in files that are about to be shared; `check.py` and `push.py` look for them.

The forms are those by which services mark their tokens. They are kept here because the packaged list for Python, detect-secrets
1.5, is of May 2024 and knows no token of Hugging Face or Google. A password without a form of its own cannot be recognised.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq

# Service -> forms of its tokens. No letter or digit stands before one.
TOKENS: dict[str, str] = {
    "Hugging Face": r"hf_[A-Za-z0-9]{20,}|hf_(?:oauth|jwt|app)_[\w.-]{20,}|api_org_[A-Za-z0-9]{20,}",
    "GitHub": r"gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}",
    "GitLab": r"(?:glpat|gldt|glft|glsoat|glrt|glrtr|glcbt|glimt|glptt|glagent|gloas|glffct)-[\w.-]{20,}|GR1348941[\w-]{20,}",
    "Slack": r"xox[a-z]-[\w-]{10,}|xapp-\d-[\w-]{10,}|hooks\.slack\.com/(?:services|workflows|triggers)/[\w/+-]{20,}",
    "Discord": r"discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}",
    "Google": r"AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,}|1//0[\w-]{30,}",
    "AWS": r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    "Azure": r"AccountKey=[A-Za-z0-9+/]{40,}",
    "OpenAI, Anthropic": r"sk-[A-Za-z0-9]{20,}|sk-(?:ant|proj|svcacct|admin|or)-[\w-]{20,}",
    "Stripe": r"[rs]k_(?:live|test)_[A-Za-z0-9]{20,}",
    "npm": r"npm_[A-Za-z0-9]{36}",
    "PyPI": r"pypi-AgE[\w-]{50,}",
    "SendGrid": r"SG\.[\w-]{20,}\.[\w-]{20,}",
    "Telegram": r"\d{8,10}:AA[\w-]{33}(?![\w-])",
    "Weights & Biases": r"wandb_v1_[\w-]{20,}|WANDB_API_KEY\W{1,4}[0-9a-f]{40}",
    "Kaggle": r"KGAT_[0-9a-f]{32}",
}
_SECRET = re.compile(
    r"(?<![A-Za-z0-9])(?:" + "|".join(TOKENS.values()) + r")"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
    r"|://[^\s/:@\"'<>]+:[^\s/@\"'<>]+@"  # a password in an address
    r"|\bBearer\s+[\w.~+/-]{20,}"
)
_JWT = re.compile(r"(?<![\w-])(eyJ[\w-]{8,})\.(eyJ[\w-]{8,}|[\w-]{16,})\.[\w-]*")
_HOME = re.compile(
    r"/(?:home|Users)/[\w.-]+|[A-Za-z]:\\+Users\\+[\w.-]+|(?<![\w/.-])" + re.escape(str(Path.home())) + r"(?=[/\\])"
)


def find_private(files: Mapping[str, Path | bytes]) -> list[str]:
    """Files that contain a token, a key or the path of a home directory. The message does not repeat a secret."""
    problems = []
    for name, source in files.items():
        for text in _texts(_read(name, source)):
            if _SECRET.search(text) or any(_is_token_header(found[1]) for found in _JWT.finditer(text)):
                problems.append(f"{name} has a token or key in it")
            if home := _HOME.search(text):
                problems.append(f"{name} has a home path in it, {home[0]}")
    return list(dict.fromkeys(problems))


def _texts(content: bytes) -> Iterator[str]:
    """A file as text of any encoding in which ASCII stays ASCII, and as UTF-16 where it is marked so."""
    yield content.decode("latin-1")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield content.decode("utf-16", errors="replace")


def _is_token_header(part: str) -> bool:
    """Whether this is the header of a JSON web token, and not merely a word with dots that begins as one."""
    try:
        return "alg" in json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, TypeError):
        return False


def _read(name: str, source: Path | bytes) -> bytes:
    """A file's bytes; for tables and tensors only the metadata."""
    if isinstance(source, Path) and name.endswith(".parquet"):
        return repr(pq.read_metadata(source).metadata).encode()
    content = source if isinstance(source, bytes) else source.read_bytes()
    return content[8 : 8 + int.from_bytes(content[:8], "little")] if name.endswith(".safetensors") else content
