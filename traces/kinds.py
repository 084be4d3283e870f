"""How each kind of trace entry looks: icon, label, hue, and the group that the page filters by."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entry. Colour says who speaks."""

    name: str
    icon: str
    label: str
    hue: str
    group: str
    # What a closed row is about as high as, until it has been measured.
    height: int = 33


@dataclass(frozen=True, slots=True)
class Group:
    """Kinds that are shown or hidden together."""

    name: str
    icon: str
    label: str
    hue: str
    is_shown_at_first: bool = True


GROUPS: Final = (
    Group("generations", "sparkles", "Generations", "model"),
    Group("actions", "terminal", "Actions", "tool"),
    Group("observations", "corner-down-right", "Outputs", "tool"),
    Group("logs", "scroll-text", "Logs", "quiet"),
    Group("people", "message-square", "Choices, inputs", "human"),
    Group("scores", "target", "Scores", "good"),
    Group("errors", "octagon-alert", "Errors", "bad"),
    Group("states", "save", "States", "quiet", is_shown_at_first=False),
    Group("settings", "settings-2", "Settings, usage", "quiet", is_shown_at_first=False),
)

_KINDS: Final = (
    Kind("generation", "sparkles", "Generation", "model", "generations", 60),
    Kind("action", "terminal", "Action", "tool", "actions", 68),
    Kind("observation", "corner-down-right", "Output", "tool", "observations", 68),
    Kind("log", "scroll-text", "Log", "quiet", "logs"),
    Kind("rating", "split", "Choice", "human", "people"),
    Kind("input", "message-square", "Input", "human", "people"),
    Kind("intermediateScore", "target", "Score", "good", "scores"),
    Kind("submission", "flag", "Submission", "good", "scores"),
    Kind("error", "octagon-alert", "Error", "bad", "errors", 68),
    Kind("safetyPolicy", "shield-alert", "Safety policy", "bad", "errors"),
    Kind("agentState", "save", "State saved", "quiet", "states"),
    Kind("settingChange", "settings-2", "Setting changed", "quiet", "settings"),
    Kind("burnTokens", "flame", "Tokens burned", "quiet", "settings"),
    Kind("frameStart", "chevron-down", "Frame", "quiet", "", 29),
    Kind("frameEnd", "chevron-down", "Frame end", "quiet", "", 0),
    # No kind of the contract: errors by which a provider asked to wait.
    Kind("rateLimit", "rotate-ccw", "Rate limit", "quiet", "errors"),
)
KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in _KINDS})
RATE_LIMIT: Final = "rate.?limit"
UNKNOWN: Final = Kind("unknown", "scroll-text", "Entry", "quiet", "logs")
# The numbers that the index of a trace uses for the kinds.
NUMBERS: Final[Mapping[str, int]] = MappingProxyType(
    {kind.name: number for number, kind in enumerate(_KINDS)}
)


def is_rate_limit(content: dict[str, Any] | None) -> bool:
    """Whether an entry is an error that only asked to wait (`RATE_LIMIT` for Postgres)."""
    if content is None or content.get("type") != "error":
        return False
    return re.search(RATE_LIMIT, str(content.get("detail")), re.IGNORECASE) is not None


def kind_of(name: str | None) -> Kind:
    return KINDS.get(name or "", UNKNOWN)
