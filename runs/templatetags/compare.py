"""Numbers of comparisons as people read them."""

from django import template

from runs import intervals
from vivaria import words

register = template.Library()


@register.filter
def signed(value: float) -> str:
    return intervals.signed(value)


@register.filter
def score_or_none(score: float | None) -> str:
    """Nothing where there is no score: that is not 0."""
    return "" if score is None else words.score_text(score)
