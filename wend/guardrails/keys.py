"""Secrets that can be told by their form: keys with a fixed beginning, private keys, and our own tokens. Pure.

Only forms that leave no doubt are here: a false alarm that blocks a push costs more trust than a missed key. The forms
are those their makers publish (AWS, GitHub, GitLab, Slack, Stripe, Google, Anthropic, OpenAI, npm, PyPI).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

OURS = "a token of this platform"
FORMS = {
    OURS: r"wend_(?:admin|human|agent|ci)_[0-9A-Za-z]{38}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "an AWS access key": r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    "a GitHub token": r"gh[pousr]_[0-9A-Za-z]{36}",
    "a GitHub fine-grained token": r"github_pat_[0-9A-Za-z_]{82}",
    "a GitLab token": r"glpat-[0-9A-Za-z_-]{20}",
    "a Slack token": r"xox[abpr]-[0-9A-Za-z-]{24,200}",
    "a Stripe key": r"[sr]k_live_[0-9A-Za-z]{24,120}",
    "a Google API key": r"AIza[0-9A-Za-z_-]{35}",
    "an Anthropic key": r"sk-ant-[0-9A-Za-z_-]{40,200}",
    "an OpenAI key": r"sk-proj-[0-9A-Za-z_-]{40,200}",
    "an npm token": r"npm_[0-9A-Za-z]{36}",
    "a PyPI token": r"pypi-AgEIcHlwaS5vcmc[0-9A-Za-z_-]{50,300}",
}
# One alternative each, none of which can match the same text in two ways, so that it takes linear time.
EACH = (f"(?P<k{at}>(?<![0-9A-Za-z_]){form}(?![0-9A-Za-z_]))" for at, form in enumerate(FORMS.values()))
ANY = re.compile("|".join(EACH))
NAMES = tuple(FORMS)
BEGINNINGS = (
    "wend_", "PRIVATE KEY-----", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox",
    "k_live_", "AIza", "sk-", "npm_", "pypi-",
)  # fmt: skip


def found(text: str) -> Iterator[tuple[int, str, str]]:
    """(line from 1, what it is, itself) of every secret in the text."""
    if not any(begin in text for begin in BEGINNINGS):
        return
    line, counted = 1, 0
    for match in ANY.finditer(text):
        line, counted = line + text.count("\n", counted, match.start()), match.start()
        yield line, NAMES[int((match.lastgroup or "k0")[1:])], match[0]


def masked(secret: str) -> str:
    """How it begins, so that one knows which it is."""
    return secret[:10] + "…" if secret.startswith("-----") else f"{secret[:8]}…"
