"""The gateway is away for a while in the middle of a run: what its agent notices, and what it pays.

A real run in a real container logs 10,000 numbers; its gateway is stopped while it does. Afterwards
each entry is looked for, once and in its order, and the run's seconds are laid beside the clock.
"""

import argparse
import json
import time
from typing import Any

from tests.instance import Instance, running_instance
from vivaria.config import ROOT
from vivaria.supervision import programs, supervisord

AGENT = ROOT / "bench" / "outage_agent"
ENTRIES = 10_000
STORED_BEFORE = 2_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="how long it is away")
    options = parser.parse_args()
    with running_instance() as instance:
        run_id = instance.start_run(AGENT)
        wait_until_stored(instance, run_id, STORED_BEFORE)
        take_gateway_away(instance, options.seconds)
        run = instance.wait_for_end(run_id, within_s=600)
        return report(instance, run, away_s=options.seconds)


def wait_until_stored(instance: Instance, run_id: int, count: int) -> None:
    while len(instance.trace(run_id)) < count:
        time.sleep(0.5)


def take_gateway_away(instance: Instance, seconds: float) -> None:
    """Stop the gateway as an operator would, and start it again."""
    gateway = next(each for each in programs.servers(instance.config) if each.name == "gateway")
    supervisord.ask_to_stop(instance.config, gateway.name)
    while supervisord.states(instance.config)[gateway.name] != "STOPPED":
        time.sleep(0.05)
    time.sleep(seconds)
    supervisord.start_program(instance.config, gateway)
    instance.wait_until_ready()


def report(instance: Instance, run: dict[str, Any], *, away_s: float) -> int:
    """Say what was found; 1 where something is not as it must be."""
    numbers = [
        entry["content"]["content"][0]
        for entry in instance.trace(run["id"])
        if entry["content"]["type"] == "log"
    ]
    pauses = rows(
        instance, f'SELECT "start", "end", reason FROM run_pauses_t WHERE "runId" = {run["id"]}'
    )
    (branch,) = rows(
        instance,
        f'SELECT "startedAt", "completedAt" FROM agent_branches_t WHERE "runId" = {run["id"]}',
    )
    took_s = (branch["completedAt"] - branch["startedAt"]) / 1000
    paused_s = sum(pause["end"] - pause["start"] for pause in pauses) / 1000
    charged_s = run["usage"]["total_seconds"]
    print(f"{run['status']}, score {run['score']}; the gateway was away for {away_s:.0f} s")
    print(f"{len(numbers)} of {ENTRIES} entries, {len(set(numbers))} of them different")
    for pause in pauses:
        print(f"paused for {(pause['end'] - pause['start']) / 1000:.1f} s: {pause['reason']}")
    print(f"from start to end {took_s:.1f} s, of these charged {charged_s} s")
    holds = (
        run["status"] == "submitted"
        and numbers == list(range(ENTRIES))
        and {pause["reason"] for pause in pauses} == {"pyhooksRetry"}
        and paused_s >= away_s
        and abs(took_s - paused_s - charged_s) <= 1
    )
    print(f"each entry once and in order, the outage not charged: {'holds' if holds else 'FAILS'}")
    return 0 if holds else 1


def rows(instance: Instance, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        instance.viv("query", query, "--output-format", "json")
    )
    return found


if __name__ == "__main__":
    raise SystemExit(main())
