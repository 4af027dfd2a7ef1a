"""Addresses of brokers, as every command and the publisher take them."""

import re

from events.errors import BadAddress

_BROKER = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\])(?::(\d{1,5}))?")


def addresses(brokers: str) -> list[str]:
    """Each broker's HOST or HOST:PORT. Raises BadAddress where one is neither."""
    found = [broker.strip() for broker in brokers.split(",")]
    for broker in found:
        match = _BROKER.fullmatch(broker)
        if match is None or not 1 <= int(match[1] or 9092) <= 65535:
            raise BadAddress(f"expected brokers as HOST:PORT, several with commas between them, got {brokers!r}")
    return found
