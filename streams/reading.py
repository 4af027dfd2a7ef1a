"""What commands that only read logs share: where their records come from, and the bars that tell how far they are."""

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.replay import Source


async def source(
    files: tuple[Path, ...], brokers: str, topic: str, stack: AsyncExitStack, since_ms: int = 0
) -> "Source":
    """The files where there are any, else the topic, of records from `since_ms` (the broker's time) on."""
    from streams import logs, replay  # noqa: PLC0415 - a command imports what it needs when it runs

    if files:
        return replay.Files(files)
    logs.configure("WARNING")
    return await replay.topic(brokers, topic, "amana.screen", stack, since_ms)


@contextmanager
def bars() -> Iterator[Callable[[str, float], Callable[[float], None]]]:
    """On stderr, one for each thing that is done."""
    from rich.console import Console  # noqa: PLC0415 - as above

    from streams.runs import progress  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    with ExitStack() as shown:
        yield lambda what, total: shown.enter_context(progress(console, what, total))
