"""Which addresses a push may go to: those that the whole internet may use, and no other.

A partner's name that leads to this machine, to the network around it, or to a cloud's metadata would make the deliverer
knock on doors that only it can reach.
"""

from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from sharing.errors import DeliveryError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # a name and a port: its addresses as text, best first

# What `ipaddress` calls global and is not (IANA's special-purpose registries): protocol assignments, 6to4 relays.
_SPECIAL = tuple(map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")))
# Of IPv6 only what is given out to networks; in it not Teredo and other protocols, 6to4, documentation.
_GIVEN = IPv6Network("2000::/3")
_NOT_GIVEN = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


class Unreachable(DeliveryError):
    """A name without an address that a push may go to."""


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet's; False for what is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        given = address in _GIVEN and not any(address in network for network in _NOT_GIVEN)
        return given and address.scope_id is None and address.is_global
    special = any(address in network for network in _SPECIAL)
    return address.is_global and not (address.is_multicast or address.is_reserved or special)


def is_loopback(text: str) -> bool:
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False


async def checked(resolve: Resolve, host: str, port: int, loopback: bool) -> str:
    """Resolve a name once; the address to connect to. Raises Unreachable unless every one of its addresses may be.

    All of them, not any: a name that leads inside as well as outside is refused, whichever comes first.
    """
    found = await resolve(host, port)
    if not found:
        raise Unreachable("the name has no address")
    if not all(is_public(address) or (loopback and is_loopback(address)) for address in found):
        raise Unreachable("the name leads to an address that is not public")
    return found[0]


def as_host(address: str) -> str:
    """As a URL writes it: an IPv6 address in brackets."""
    parsed: IPv4Address | IPv6Address = ip_address(address)
    return f"[{parsed}]" if parsed.version == 6 else str(parsed)
