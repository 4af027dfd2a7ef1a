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


BROKERS = BrokersType()

brokers_option = click.option(
    "--brokers",
    envvar="AMANA_BROKERS",
    type=BROKERS,
    default="127.0.0.1:9092",
    show_default=True,
    help="Kafka's addresses; AMANA_KAFKA_* say how they are reached (docs/security.md).",
)
