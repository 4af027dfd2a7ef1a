"""docs/access.md, generated: what each role may do, and which it takes to come to each page.

`python -m review.access.docs` writes it; `python -m review.access.docs --check` fails if it is not current.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from review.access.roles import GRANTS, PERMISSIONS, ROLES, WORDS
from review.console.api import BASE
from review.console.app import WAYS
from review.console.endpoints import ENDPOINTS

PAGE = Path(__file__).parent.parent.parent / "docs" / "access.md"
INTRODUCTION = """\
# Who may do what

Generated from the tables in review/access/roles.py and the console's routes; a test tries every route as every role.

Accounts are made with `amana accounts add NAME --role ROLE`; one may have several roles. A password is at least twelve
characters, kept as an argon2id hash; from the fifth wrong one on the account is locked, for 30 seconds first and then
twice as long each time, up to an hour. A session ends after half an hour unused, and after twelve hours in any case.
"""
API = (
    "Programs come with a token of an account's (`amana accounts token NAME --name FOR --scope PERMISSION`); it may"
    " what both its scopes and its account's roles allow. The description is at `/api/v1/openapi.json`."
)


def page() -> str:
    """The whole page, Markdown."""
    pages, calls = ("## Pages", "", *_ways(), ""), ("## API", "", API, "", *_endpoints(), "")
    return "\n".join((INTRODUCTION, *_permissions(), "", *pages, *calls))


def _permissions() -> Iterator[str]:
    yield f"| may | {' | '.join(role.replace('_', ' ') for role in ROLES)} |"
    yield f"| --- |{' :---: |' * len(ROLES)}"
    for permission in PERMISSIONS:
        marks = " | ".join("yes" if permission in GRANTS[role] else "" for role in ROLES)
        yield f"| {WORDS[permission]} (`{permission}`) | {marks} |"


def _ways() -> Iterator[str]:
    yield "| page | takes |"
    yield "| --- | --- |"
    for way in WAYS:
        yield f"| `{way.method} {way.path}` | {f'`{way.needs}`' if way.needs else 'being signed in'} |"


def _endpoints() -> Iterator[str]:
    yield "| call | name | takes |"
    yield "| --- | --- | --- |"
    for each in ENDPOINTS:
        yield f"| `{each.method} {BASE}{each.path}` | {each.name} | `{each.needs}` |"


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text(encoding="utf-8") == page():
            return 0
        sys.stderr.write(f"{PAGE}: not current; run `python -m review.access.docs`\n")
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
