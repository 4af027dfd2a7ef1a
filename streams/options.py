"""What commands take as the feature store's address, and as a partner's name."""

import re

import click

_PARTNER = re.compile("[a-z][a-z0-9-]{0,31}")  # as PartnerName of contracts, which are long to import; a test compares


class StoreAddress(click.ParamType):
    """redis://HOST:PORT/0, or a cluster's: redis+cluster://HOST:PORT,HOST:PORT"""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> str:
        from redis.asyncio.connection import parse_url  # noqa: PLC0415 - for the commands that need a store alone

        scheme, _, rest = value.partition("://")
        credentials, at, hosts = rest.rpartition("@")
        try:
            # A cluster's first node may stand for all: what is wrong with another shows when it is looked for.
            parse_url(f"{scheme.removesuffix('+cluster')}://{credentials}{at}{hosts.split(',')[0]}")
        except ValueError:
            # Never the value: an address may hold a password.
            self.fail("expected redis://HOST:PORT/0, or redis+cluster://HOST:PORT,HOST:PORT", param, context)
        return value


class PartnerType(click.ParamType):
    """A partner's name as contracts have it."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> str:
        if not _PARTNER.fullmatch(value):
            self.fail("expected a partner's name: lower-case letters, digits and -, at most 32", param, context)
        return value


STORE = StoreAddress()
PARTNER_NAME = PartnerType()
