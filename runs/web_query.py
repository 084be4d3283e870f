"""Reading a page's address."""

from django.http import HttpRequest


def number_in(request: HttpRequest, name: str) -> int | None:
    """Read a whole number of the query; None where there is none."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
