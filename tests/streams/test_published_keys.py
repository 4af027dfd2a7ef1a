import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sharing.errors import KeysError
from streams.bootstrap.partner_api import Published
from tests.sharing.sealed import JWKS

PRIVATE = json.dumps({"keys": [JWKS["keys"][0] | {"d": "secret-half"}]})


def test_without_a_file_named_there_are_no_keys() -> None:
    assert Published(None)() == b'{"keys":[]}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "No such file or directory"),
        ("{", "not a set of public keys"),
        ("\udc80", "not a set of public keys"),
        ('{"keys": []}', "not a set of public keys"),
        (PRIVATE, "not a set of public keys"),
    ],
)
def test_the_endpoints_do_not_start_on_a_file_that_is_no_set_of_public_keys(
    tmp_path: Path, text: str | None, expected: str
) -> None:
    path = tmp_path / "jwks.json"
    if text is not None:
        path.write_text(text, errors="surrogateescape")
    with pytest.raises(KeysError, match=f"{expected}; expected our published key set") as raised:
        Published(path)
    assert "secret-half" not in str(raised.value)


def test_the_last_good_set_is_served_until_there_is_another(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(JWKS))
    published = Published(path)
    for broken in ("{", PRIVATE):
        path.write_text(broken)
        with capture_logs() as logs:
            assert json.loads(published()) == JWKS
        assert [(each["event"], each["log_level"]) for each in logs] == [("jwks.unreadable", "warning")]
    path.unlink()
    assert json.loads(published()) == JWKS
    another = {"keys": [JWKS["keys"][0] | {"kid": "another"}]}
    path.write_text(json.dumps(another))
    assert json.loads(published()) == another
