import click
import pytest

from review.console.cli import listening


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(click.ClickException) as raised:
            listening("127.0.0.1", port)
    assert raised.value.message == f"cannot listen on 127.0.0.1, port {port}: Address already in use"
