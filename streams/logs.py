"""Structured logs: one JSON object a line on stderr, for our own loggers and for the libraries' alike.

A library's exception is logged by type and place only: its text may quote what somebody sent.
"""

import logging
import sys
import traceback
from typing import Any

import structlog
from structlog.typing import EventDict

QUIET = ("faust", "mode", "aiokafka", "kafka", "aiohttp.access")


def without_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace exception information by the exception's type and where it was raised."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event.update(type_and_place(error))
    return event


def type_and_place(error: BaseException) -> dict[str, Any]:
    """What may be told of an error whose text may quote a value: its type, and the last places it came through."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    return {"error": type(error).__name__, "at": [f"{frame.filename}:{frame.lineno}" for frame in frames]}


def library_template(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Keep a library's message template and drop its arguments."""
    record: logging.LogRecord = event["_record"]
    if not record.name.startswith("amana"):
        event["event"] = str(record.msg).splitlines()[0] if record.msg else ""
        event["logger"] = record.name
    return event


def configure(level: str = "INFO") -> None:
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_values,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(sort_keys=True)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                library_template,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
