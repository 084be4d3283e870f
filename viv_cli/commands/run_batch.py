"""`viv run-batch`."""

import click

from viv_cli import config, options
from viv_cli.client import Json, Server
from viv_cli.errors import BadUsage
from viv_cli.output import print_json, table


@click.group(short_help="See batches of runs; say how many run at once.")
def run_batch() -> None:
    """See batches of runs, and say how many of each may run at once."""


@run_batch.command("list", short_help="List the batches and what they carry.")
@options.as_json
def list_batches(*, as_json: bool) -> None:
    """List the batches and what they carry. With --json, one batch a line."""
    found = Server(config.load()).batches()
    if as_json:
        for each in found:
            print_json(each)
        return
    table([("name", "at most", "under way", "waiting"), *map(_row, found)])


@run_batch.command("update", short_help="Change how many of its runs may be under way.")
@click.argument("name")
@click.argument("concurrency_limit", metavar="LIMIT")
@options.as_json
def update(name: str, concurrency_limit: str, *, as_json: bool) -> None:
    """Let LIMIT runs of batch NAME be under way at once: 0 stops it, None never limits."""
    changed = Server(config.load()).change_batch(name, _limit(concurrency_limit))
    if as_json:
        print_json(changed)
    else:
        row = dict(zip(("name", "most", "active", "waiting"), _row(changed), strict=True))
        click.echo(f"{row['name']}: {row['most']} at once, {row['active']} under way")


def _limit(text: str) -> int | None:
    if text.lower() in ("none", "null"):
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadUsage(f"LIMIT is {text!r}; give a whole number from 0, or None for no limit.")
    return int(text)


def _row(found: Json) -> tuple[str, ...]:
    limit = found["concurrency_limit"]
    most = "any number" if limit is None else str(limit)
    return found["name"], most, str(found["active_runs"]), str(found["waiting_runs"])
