"""What the query page draws charts from: the columns of an answer that can be axes."""

import json
from typing import Any, Final

from runs.sql_cells import TIMES_MS
from runs.sql_queries import Answer, Field

MOST_COLUMNS: Final = 16
MOST_ROWS: Final = 1_000
LABEL_CHARS: Final = 60
NUMBERS: Final = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric"})
TIMES: Final = frozenset({"date", "timestamp", "timestamptz"})
WORDS: Final = frozenset({"text", "varchar", "bool", "bpchar", "name"})


def chart_of(answer: Answer) -> str:
    """Columns with their kinds, and their values, as JSON; "" where nothing can be drawn."""
    kinds = [_kind(field) for field in answer.fields]
    places = [place for place, kind in enumerate(kinds) if kind][:MOST_COLUMNS]
    if len(answer.rows) < 2 or not any(kinds[place] == "number" for place in places):
        return ""
    columns = [{"name": answer.fields[p].name[:LABEL_CHARS], "kind": kinds[p]} for p in places]
    rows = [[_value(row[p], kinds[p]) for p in places] for row in answer.rows[:MOST_ROWS]]
    return json.dumps({"columns": columns, "rows": rows}, allow_nan=False)


def _kind(field: Field) -> str:
    is_ms = (field.column or "").endswith("At") and field.type_name in NUMBERS
    if is_ms or field.type_name in TIMES:
        return "time"
    if field.type_name in NUMBERS:
        return "number"
    return "word" if field.type_name in WORDS else ""


def _value(value: Any, kind: str) -> float | str | None:
    if value is None:
        return None
    if kind == "word":
        # Signs that turn the direction of text are none that a label needs.
        return "".join(c if c.isprintable() else "\ufffd" for c in str(value)[:LABEL_CHARS])
    if kind == "time" and not isinstance(value, int):
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    is_time = kind != "time" or int(number) in TIMES_MS
    return number if number - number == 0 and is_time else None
