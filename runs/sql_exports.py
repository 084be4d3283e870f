"""Answers as files: CSV that no spreadsheet takes for formulas, and JSON lines."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from runs.sql_queries import Answer, Row
from runs.sql_values import JsonText, on_the_wire

# What makes a spreadsheet compute a cell, or start its reading anew.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_lines(answer: Answer) -> Iterator[bytes]:
    """Write an answer for a spreadsheet; text that looks like a formula gets an apostrophe."""
    yield csv_line(field.name for field in answer.fields)
    for row in answer.rows:
        yield csv_line(row)


def json_lines(answer: Answer) -> Iterator[bytes]:
    """Write each row as an object on a line; of two columns with one name the last wins."""
    for row in objects(answer):
        yield msgspec.json.encode(row) + b"\n"


def objects(answer: Answer) -> Iterator[dict[str, Any]]:
    """Name the cells of each row, as msgspec writes them."""
    names = [field.name for field in answer.fields]
    for row in answer.rows:
        yield dict(zip(names, map(on_the_wire, row), strict=True))


def csv_line(values: Iterable[Any]) -> bytes:
    """Write one line for a spreadsheet."""
    return _line(_cell(value) for value in values)


def text_of(value: Any) -> str:
    """A cell as text: NULL is empty, JSON as it is stored."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case JsonText():
            return str(value)
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _cell(value: Any) -> str:
    text = text_of(value)
    is_number = isinstance(value, int | float) or _reads_as_number(text)
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not is_number else text


def _reads_as_number(text: str) -> bool:
    if not text.isascii() or len(text) > 60:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip() and text[-1].isdigit()


def _line(cells: Iterable[str] | Row) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode()
