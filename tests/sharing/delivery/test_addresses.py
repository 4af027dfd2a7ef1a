import asyncio
from collections.abc import Sequence

import pytest

from sharing.delivery.addresses import Unreachable, as_host, checked, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
        "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "::ffff:8.8.8.8",
        "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::",
        "2001:db8::1",
        "3fff::1", "100::1", "5f00::1", "2606:4700::1%1",
        "", "localhost", "127.1", "0x7f000001", "2130706433", "8.8.8.8 ",
    ],
)  # fmt: skip
def test_an_address_inside_or_none_at_all_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


def _checked(*found: str, loopback: bool = False) -> str:
    async def resolve(host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("partner.example", 443)
        return found

    return asyncio.run(checked(resolve, "partner.example", 443, loopback))


def test_the_first_address_is_taken_if_all_are_public() -> None:
    assert _checked("8.8.8.8", "2606:4700:4700::1111") == "8.8.8.8"


@pytest.mark.parametrize("found", [("127.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("10.0.0.1", "8.8.8.8"), ()])
def test_one_address_inside_or_none_refuses_the_name(found: tuple[str, ...]) -> None:
    with pytest.raises(Unreachable, match=r"the name (leads to an address that is not public|has no address)"):
        _checked(*found)


def test_a_demonstration_may_stay_on_this_machine_and_go_nowhere_else() -> None:
    assert _checked("127.0.0.1", loopback=True) == "127.0.0.1"
    assert _checked("::1", loopback=True) == "::1"
    with pytest.raises(Unreachable):
        _checked("192.168.1.1", loopback=True)


def test_a_url_writes_an_address_of_six_in_brackets() -> None:
    assert [as_host("8.8.8.8"), as_host("2606:4700:0::1")] == ["8.8.8.8", "[2606:4700::1]"]
