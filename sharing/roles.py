"""Who may do what, from a small file until people sign in: a name to a line, and its roles.

noura: [privacy_officer]
saud: [privacy_officer, analyst]
"""

from pathlib import Path
from typing import Literal

import msgspec
import yaml

from sharing.contracts import PersonName
from sharing.errors import RolesError

Role = Literal["privacy_officer", "analyst"]
MAX_BYTES = 64 * 1024


def load(path: Path) -> dict[str, frozenset[Role]]:
    """Read the file. Raises RolesError, also where others may write to it: they could name themselves."""
    try:
        if path.stat().st_mode & 0o022:
            raise RolesError(f"{path}: others than its owner may write to it; run `chmod go-w` on it")
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RolesError(f"{path}: {error.strerror}; expected a file of names and roles") from None
    if len(text) > MAX_BYTES:
        raise RolesError(f"{path}: longer than {MAX_BYTES} bytes")
    return parse(text.decode("utf-8", "replace"), str(path))


def parse(text: str, name: str) -> dict[str, frozenset[Role]]:
    """Names and roles from text; `name` stands for the file in errors. Raises RolesError."""
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise RolesError(f"{name}: an alias; write each list of roles out")
        _refuse_repeats(yaml.compose(text, yaml.SafeLoader), name)
        found = yaml.safe_load(text)
        plain = msgspec.convert(found if found is not None else {}, dict[PersonName, frozenset[Role]])
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RolesError(f"{name}:{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError):
        raise RolesError(f"{name}: not YAML that a file of roles may hold") from None
    except msgspec.ValidationError:
        raise RolesError(
            f"{name}: expected lines like `noura: [privacy_officer]`, names of a to z, digits and . _ -"
        ) from None
    return plain


def _refuse_repeats(root: yaml.Node | None, name: str) -> None:
    """Of one name's two lines YAML would take the last without a word."""
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    keys = [key for key, _ in pairs if isinstance(key, yaml.ScalarNode)]
    for place, key in enumerate(keys):
        if key.value in {each.value for each in keys[:place]}:
            raise RolesError(f"{name}:{key.start_mark.line + 1}: {key.value!r} stands here twice")
