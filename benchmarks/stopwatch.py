"""Processor and wall time by part of the work, measured around the product's own functions while they run."""

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec


class Spent(msgspec.Struct):
    """Seconds, less what the parts inside spent."""

    processor_s: float = 0.0
    wall_s: float = 0.0


class Stopwatch:
    """Parts nest: an outer part's time is without its inner ones'. One task at a time; some 1.5 us a measured call."""

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = {}
        self._inner: list[Spent] = [Spent()]

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        inner = Spent()
        self._inner.append(inner)
        processor, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            took = Spent(time.process_time() - processor, time.perf_counter() - wall)
            self._inner.pop()
            _add(self._inner[-1], took.processor_s, took.wall_s)
            spent = self.spent.setdefault(part, Spent())
            _add(spent, took.processor_s - inner.processor_s, took.wall_s - inner.wall_s)

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, measured."""
        if inspect.iscoroutinefunction(function):

            async def awaited(*arguments: Any, **named: Any) -> Any:
                with self.measure(part):
                    return await function(*arguments, **named)

            return awaited

        def called(*arguments: Any, **named: Any) -> Any:
            with self.measure(part):
                return function(*arguments, **named)

        return called


def _add(spent: Spent, processor_s: float, wall_s: float) -> None:
    spent.processor_s += processor_s
    spent.wall_s += wall_s
