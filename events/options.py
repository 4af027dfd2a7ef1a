"""What commands of several rooms take."""

import os

import click

from events.errors import BadAddress, BadSecurity
from events.security import Brokers, secured


class BrokersType(click.ParamType):
    """Kafka's addresses: HOST:PORT, several with commas between them; AMANA_KAFKA_* say how they are reached."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> Brokers:
        try:
            return value if isinstance(value, Brokers) else secured(value, os.environ)
        except (BadAddress, BadSecurity) as error:
            self.fail(str(error), param, context)


class TextType(click.ParamType):
    """Text that can be written and stored: an argument with bytes that are no UTF-8 comes to Python as what is none."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail("expected text in UTF-8", param, context)
        return value


BROKERS = BrokersType()
TEXT = TextType()

brokers_option = click.option(
    "--brokers",
    envvar="AMANA_BROKERS",
    type=BROKERS,
    default="127.0.0.1:9092",
    show_default=True,
    help="Kafka's addresses; AMANA_KAFKA_* say how they are reached (docs/security.md).",
)
