"""docs/security.md's tables, generated from the code that grants.

`python -m streams.access_docs` writes them; `--check` fails where they are not current.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from events.principals import Grant, principals
from streams.redis_users import USERS
from streams.roles import ROLES, Role

PAGE = Path(__file__).parent.parent / "docs" / "security.md"
_BLOCK = re.compile(r"(<!-- (\w+): written by streams/access_docs.py -->\n).*?(<!-- end -->)", re.DOTALL)


def kafka() -> Iterator[str]:
    yield "| principal | is | reads | writes | deletes records of | group |"
    yield "|---|---|---|---|---|---|"
    for principal in principals(["partner"]):
        columns = [_topics(principal.grants, operation) for operation in ("READ", "WRITE", "DELETE")]
        groups = ", ".join(
            f"`{grant.name}{'*' if grant.prefixed else ''}`{'' if 'READ' in grant.operations else ' (seen)'}"
            for grant in principal.grants
            if grant.kind == "group"
        )
        yield f"| `{principal.name}` | {principal.what} | {' | '.join(columns)} | {groups} |"


def _topics(grants: Iterable[Grant], operation: str) -> str:
    return ", ".join(f"`{grant.name}`" for grant in grants if grant.kind == "topic" and operation in grant.operations)


def postgres() -> Iterator[str]:
    yield "| role | is | may |"
    yield "|---|---|---|"
    for role in ROLES:
        yield f"| `{role.name}` | {role.what} | {'; '.join(_rights(role))} |"


def _rights(role: Role) -> Iterator[str]:
    for grant in role.grants:
        columns = f" ({', '.join(grant.columns)})" if grant.columns else ""
        yield f"{', '.join(grant.privileges).lower()} `{grant.table}`{columns}"


def redis() -> Iterator[str]:
    yield "| user | is | commands |"
    yield "|---|---|---|"
    for user in USERS:
        yield f"| `{user.name}` | {user.what} | {user.commands.replace('|', ' ')} |"


def page(text: str) -> str:
    """The page with its tables as they are now."""
    made = {"kafka": kafka, "postgres": postgres, "redis": redis}
    return _BLOCK.sub(lambda found: found[1] + "\n".join(made[found[2]]()) + "\n" + found[3], text)


if __name__ == "__main__":
    before = PAGE.read_text()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if page(before) == before else f"{PAGE} is not current: run python -m streams.access_docs")
    PAGE.write_text(page(before))
