"""Which models a run may call, as ModelInfo of the contract (hooks-api, section 5)."""

from typing import Any, Final

from genai_prices import data_snapshot

from middleman import access
from middleman.models import Model, Provider
from middleman.prices import IN_THE_TABLE
from middleman.providers import builtin
from middleman.registry import is_by_rule, known_providers
from vivaria.models import User

Json = dict[str, Any]

# Every key, as pyhooks wants each to be there.
_NOTHING_KNOWN: Final[Json] = {
    "are_details_secret": False,
    "dead": False,
    "lab": None,
    "name_in_lab": None,
    "context_length": None,
    "concurrency_limit": None,
    "output_limit": None,
    "lab_documentation_url": None,
    "comments": None,
    "features": None,
    "is_chat": True,
    "tokenizer": None,
    "vision": False,
    "input_cost_per_1m": None,
    "cache_read_input_cost_per_1m": None,
    "cache_write_input_cost_per_1m": None,
    "output_cost_per_1m": None,
    "limits": None,
}


def permitted(*, run_id: int) -> list[Json]:
    """List the models that a run's user may call, by name."""
    return _listed(access.permitted_rows(User.objects.get(runs__pk=run_id)))


def permitted_to(user: User) -> list[str]:
    """Name the models that a person may call."""
    return [info["name"] for info in _listed(access.permitted_rows(user))]


def permitted_names(*, run_id: int | None) -> list[str]:
    """Name the models that a run's user may call; for nobody, those that everybody may."""
    if run_id is not None:
        return [info["name"] for info in permitted(run_id=run_id)]
    rows = Model.objects.filter(is_enabled=True, is_hidden=False, groups__isnull=True)
    return [info["name"] for info in _listed(list(rows))]


def _listed(rows: list[Model]) -> list[Json]:
    """List models with a row, then what is known without one."""
    taken = set(Model.objects.values_list("name", flat=True))
    off = set(Provider.objects.filter(is_enabled=False).values_list("name", flat=True))
    known = [_of_row(row) for row in rows if row.provider_id not in off]
    known += [info for info in _without_rows() if info["name"] not in taken]
    return sorted(known, key=lambda info: str(info["name"]))


def _of_row(row: Model) -> Json:
    limits = {"RPM": row.requests_per_minute, "TPM": row.tokens_per_minute, "TPD": None}
    return _NOTHING_KNOWN | {
        "name": row.name,
        "lab": row.provider_id,
        "name_in_lab": row.name_at_provider or None,
        "context_length": row.context_length,
        "output_limit": row.output_limit,
        "concurrency_limit": row.concurrency_limit,
        "comments": row.comments or None,
        "is_chat": row.is_chat,
        "vision": row.has_vision,
        "input_cost_per_1m": _usd(row.input_usd),
        "cache_read_input_cost_per_1m": _usd(row.cache_read_usd),
        "cache_write_input_cost_per_1m": _usd(row.cache_write_usd),
        "output_cost_per_1m": _usd(row.output_usd),
        "limits": limits if any(limits.values()) else None,
    }


def _without_rows() -> list[Json]:
    found = [_NOTHING_KNOWN | {"name": name, "lab": "builtin"} for name in builtin.NAMES]
    usable = {
        name: provider
        for name, provider in known_providers().items()
        if provider.is_enabled and (provider.key or not provider.needs_key)
    }
    for name, provider in usable.items():
        found += [
            _NOTHING_KNOWN | {"name": model, "lab": name}
            for model in provider.models
            if not set(model) & set("*?[")
        ]
        found += _in_the_table(name)
    return found


def _in_the_table(provider: str) -> list[Json]:
    """List the models of a well-known provider that the table of prices knows."""
    wanted = IN_THE_TABLE.get(provider)
    return [
        _NOTHING_KNOWN | {"name": model.id, "lab": provider, "context_length": model.context_window}
        for known in data_snapshot.get_snapshot().providers
        if known.id == wanted
        for model in known.models
        if not model.deprecated and is_by_rule(model.id, provider)
    ]


def _usd(price: Any) -> float | None:
    return None if price is None else float(price)
