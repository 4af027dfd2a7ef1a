"""Tables as CSV files that a spreadsheet opens: nothing in a cell is run, moves the text or hides in it.

Neutralised as OWASP's page on CSV injection says. Each row is a struct, whose fields are the columns: what is no field
of it cannot leave.
"""

import csv
import io
import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from review.masking import plain

LONGEST = 32_000  # characters; a spreadsheet's cell holds 32,767
_BOM = "\ufeff"  # without it spreadsheets take UTF-8 for something else, and Arabic is lost
# What starts a formula, in wide and small letters and as a sign of mathematics too; tabs and line breaks, which start
# one as well, are written out by `plain`.
# A cell begins also behind a separator or a quote inside of ours, for a reader whose settings name another separator.
_FORMULA = re.compile(r'(^|[,;|"،؛，；])(\s*)(?=[-=+@＝＋－＠﹦﹢﹣﹫−])')

Row = TypeVar("Row", bound=msgspec.Struct)


def cell(value: object) -> str:
    """The value as it may stand in a cell: None as nothing, several values with a space between them."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " ".join(map(cell, value))[:LONGEST]
    return _FORMULA.sub(r"\1\2'", plain(str(value), LONGEST))


def sheet(kind: type[Row], rows: Iterable[Row]) -> bytes:
    """A whole file (RFC 4180), the fields' names first."""
    file = io.StringIO()
    lines = csv.writer(file, quoting=csv.QUOTE_ALL)
    lines.writerow(kind.__struct_fields__)
    lines.writerows(map(cell, msgspec.structs.astuple(row)) for row in rows)
    return (_BOM + file.getvalue()).encode()
