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
