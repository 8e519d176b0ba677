# Copyright 2026 The astromer_hf developers. MIT licence.
"""Every form of token is found in a file that is about to be shared, and what only looks like one is not."""

import base64
import json
from pathlib import Path

import pytest

from astromer_hf.hub.load import MODEL_FOLDER
from astromer_hf.hub.secrets import TOKENS, find_private

LETTERS = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1eF3hI5kL7n"


def in_base64(content: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


JWT = f"{in_base64({'alg': 'HS256', 'typ': 'JWT'})}.{in_base64({'sub': '1234567890'})}.{LETTERS}"
FORMS = {
    "Hugging Face": [
        f"hf_{LETTERS[:34]}",
        f"hf_oauth_{LETTERS}",
        f"hf_oauth_{JWT}",
        f"hf_jwt_{JWT}",
        f"api_org_{LETTERS[:34]}",
    ],
    "GitHub": [*(f"gh{kind}_{LETTERS[:36]}" for kind in "oprsu"), f"github_pat_11AB_{LETTERS}"],
    "GitLab": [
        f"glpat-{LETTERS[:20]}",
        f"glpat-{LETTERS[:12]}_{LETTERS[:4]}-x9",
        f"gldt-{LETTERS[:20]}",
        f"glrt-{LETTERS[:20]}",
    ],
    "Slack": [
        "xoxb-123456789012-1234567890123-" + LETTERS[:24],
        "xoxp-123456789012-123456789012-123456789012-" + LETTERS[:32],
        "xoxe-1-" + LETTERS,
        "xapp-1-A012345678-" + LETTERS,
        f"https://hooks.slack.com/services/T01234567/B01234567/{LETTERS[:24]}",
    ],
    "Discord": [f"https://discord.com/api/webhooks/123456789012345678/{LETTERS}"],
    "Google": [f"AIza{LETTERS[:35]}", f"GOCSPX-{LETTERS[:28]}", f"ya29.{LETTERS}"],
    "AWS": ["AKIAIOSFODNN7ABCDEFG", "ASIAIOSFODNN7ABCDEFG"],
    "Azure": [f"AccountName=x;AccountKey={LETTERS * 2}=="],
    "OpenAI, Anthropic": [f"sk-{LETTERS}", f"sk-ant-api03-{LETTERS}", f"sk-proj-{LETTERS}"],
    "Stripe": [f"sk_live_{LETTERS[:24]}", f"rk_live_{LETTERS[:24]}"],
    "npm": [f"npm_{LETTERS[:36]}"],
    "PyPI": [f"pypi-AgEIcHlwaS5vcmc{LETTERS}{LETTERS}"],
    "SendGrid": [f"SG.{LETTERS[:22]}.{LETTERS}"],
    "Telegram": [f"123456789:AA{LETTERS[:33]}"],
    "Weights & Biases": [f"wandb_v1_{LETTERS}", "WANDB_API_KEY=" + "0123456789abcdef" * 2 + "01234567"],
    "Kaggle": ["KGAT_" + "0123456789abcdef" * 2],
    "no service": [
        JWT,
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----",
        "postgresql://ada:secret@db.example.org/x",
        f"Authorization: Bearer {LETTERS}",
    ],
}


def test_every_service_has_an_example():
    assert set(FORMS) - {"no service"} == set(TOKENS)


@pytest.mark.parametrize("secret", [form for forms in FORMS.values() for form in forms])
@pytest.mark.parametrize("around", ["{}", 'token = "{}"', '{{"key": "{}"}}', "first\n{}\nlast", "TOKEN={} "])
def test_a_token_or_key_is_found_wherever_it_stands_and_not_repeated(secret, around):
    content = around.format(secret)
    assert find_private({"a.json": content.encode()}) == ["a.json has a token or key in it"]
    assert find_private({"a.txt": b"\xff\xfe" + content.encode("utf-16-le")}) == ["a.txt has a token or key in it"]


@pytest.mark.parametrize(
    "content",
    [
        "hf_hub_download, hf_transfer and hf_xet",
        "a task-sk-learn-pipeline-of-many-words, risk-sk",
        "https://github.com/org/name, https://host.org:8080/path@v1 and git@github.com:org/name",
        "eyJhb.notatoken.atall, eyJhbGciOiJ.x.y",
        "sha256 " + "0123456789abcdef" * 4,
        "tokenizer, mask_token, hub_token=None, use_mask_token: true",
        "AIzack Newton; AKIA; xoxo- hugs and kisses",
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_what_only_looks_like_one_is_not(content):
    assert find_private({"README.md": content.encode()}) == []


def test_the_code_that_is_shared_has_none(tmp_path: Path):
    assert find_private({file.name: file for file in MODEL_FOLDER.glob("*.py")}) == []
