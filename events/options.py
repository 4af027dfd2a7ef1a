"""What commands of several rooms take."""

import click

from events.addresses import addresses
from events.errors import BadAddress


class Brokers(click.ParamType):
    """Kafka's addresses: HOST:PORT, several with commas between them."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> str:
        try:
            return ",".join(addresses(value))
        except BadAddress as error:
            self.fail(str(error), param, context)


BROKERS = Brokers()

brokers_option = click.option(
    "--brokers",
    envvar="AMANA_BROKERS",
    type=BROKERS,
    default="127.0.0.1:9092",
    show_default=True,
    help="Kafka's addresses.",
)
