"""A live run watched by 50 pages: delay from an entry's commit to the screen, and what it costs.

    python -m bench.watch

One page is a real Chromium; the others ask what such a page asks: they hold the stream, and fetch
the new index and the new rows when it tells of entries, not oftener than a page does.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

import psutil
import requests
from playwright.sync_api import Page, sync_playwright

from bench.instance import Instance, instance
from bench.page import site
from vivaria.config import ROOT

SHORTEST_S: Final = 0.4
PARTS_S: Final = 2.0
SEEN: Final = """window.seen = {};
new MutationObserver(() => {
  for (const row of document.querySelectorAll('#trace .entry:not(.loading)'))
    window.seen[row.dataset.index] ??= Date.now();
}).observe(document, { subtree: true, childList: true });"""


@dataclass
class Watched:
    """The run, who may read it, and when each entry was acknowledged, in seconds."""

    url: str
    run: int
    session: str
    stored: dict[int, float] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=4162, help="and the next one, for the site")
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--per-second", type=float, default=2)
    asked = parser.parse_args()
    settings = {"VIVARIA_SITE_PORT": str(asked.port + 1), "VIVARIA_GATEWAY_PORT": str(asked.port)}
    with instance(port=asked.port, settings=settings) as made, site(made, asked.port + 1) as at:
        made_run = json.loads(_python(made, RUN))
        run = Watched(at.url, made_run["run"], made_run["session"])
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
                args=["--no-sandbox", "--disable-gpu"],
            )
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies([{"name": "sessionid", "value": run.session, "url": run.url}])
            page = context.new_page()
            page.add_init_script(SEEN)
            page.goto(f"{run.url}/run/{run.run}/")
            arguments = (asked, made, run, made_run["token"])
            writer = threading.Thread(target=_write, args=arguments, daemon=True)
            processes = {"gateway": made.gateway, "site": at.process, "postgres": made.postgres}
            _measure(asked, processes, run, writer, page)
            browser.close()


RUN: Final = """
import json
from django.test import Client
from bench.demo_rows import long_trace
from runs.states import RunStatus
from tests.factories import make_run, make_staff
from vivaria.tokens import agent_token
user = make_staff("bench")
run = make_run(status=RunStatus.RUNNING, user=user)
long_trace(run, 2000)
client = Client()
client.force_login(user)
token = agent_token(run.pk, 0, run.branches.get().token_nonce)
print(json.dumps({"run": run.pk, "token": token, "session": client.cookies["sessionid"].value}))
"""


def _python(made: Instance, code: str) -> str:
    environment = made.environment | {"DJANGO_SETTINGS_MODULE": "vivaria.settings"}
    argv = [sys.executable, "-c", f"import django; django.setup()\n{code}"]
    told = subprocess.run(
        argv, env=environment, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return told.stdout.splitlines()[-1]


def _measure(
    asked: Any,
    processes: dict[str, psutil.Process],
    run: Watched,
    writer: threading.Thread,
    page: Page,
) -> None:
    threads = [
        threading.Thread(target=_watch, args=(run,), daemon=True) for _ in range(asked.pages - 1)
    ]
    for thread in threads:
        thread.start()
    page.wait_for_timeout(3000)
    before = {name: _cpu_s(process) for name, process in processes.items()}
    began = time.time()
    writer.start()
    while writer.is_alive():
        page.wait_for_timeout(200)
    page.wait_for_timeout(2000)
    took = time.time() - began
    used = {name: (_cpu_s(each) - before[name]) / took for name, each in processes.items()}
    run.is_over.set()
    seen = {int(index): at / 1000 for index, at in page.evaluate("window.seen").items()}
    on_screen = [seen[index] - at for index, at in run.stored.items() if index in seen]
    wanted = len(run.stored) * (asked.pages - 1)
    print(f"{len(run.stored)} entries in {took:.0f} s, watched by {asked.pages} pages")
    _say("on Chromium's screen", on_screen, len(run.stored))
    _say("fetched by the others", run.delays, wanted)
    cores = ", ".join(f"{name} {100 * share:.0f} %" for name, share in used.items())
    print(f"of a core: {cores}")


def _say(what: str, delays: list[float], wanted: int) -> None:
    cuts = [1000 * cut for cut in statistics.quantiles(delays, n=20)]
    p50, p95 = cuts[9], cuts[18]
    print(f"{what}: {len(delays)} of {wanted}, p50 {p50:.0f} ms, p95 {p95:.0f} ms after commit")


def _write(asked: Any, made: Instance, run: Watched, token: str) -> None:
    address = f"http://127.0.0.1:{made.port}/log"
    with requests.Session() as session:
        for n in range(int(asked.seconds * asked.per_second)):
            index = 10**12 + n
            body = {
                "runId": run.run,
                "agentBranchNumber": 0,
                "index": index,
                "calledAt": int(time.time() * 1000),
                "content": {"content": [f"entry {n} " + "lorem ipsum " * 40]},
            }
            answer = session.post(address, json=body, headers={"X-Agent-Token": token}, timeout=30)
            answer.raise_for_status()
            run.stored[index] = time.time()
            time.sleep(1 / asked.per_second)


def _watch(run: Watched) -> None:
    try:
        _ask(run)
    except requests.RequestException:
        # The server has gone, because all is measured.
        if not run.is_over.is_set():
            raise


def _ask(run: Watched) -> None:
    """Ask as `static/js/run.js` does."""
    session = requests.Session()
    session.cookies.set("sessionid", run.session)
    address = f"{run.url}/run/{run.run}"
    seq = session.get(f"{address}/trace/index", timeout=60).json()["seq"]
    live = session.get(f"{address}/changes", timeout=60).json()["live"]
    known: set[int] = set()
    looked = parts = 0.0
    with requests.get(live, stream=True, timeout=60) as stream:
        for line in stream.iter_lines():
            if run.is_over.is_set():
                return
            if line != b"event: entries":
                continue
            time.sleep(max(0.0, looked + SHORTEST_S - time.time()))
            looked = time.time()
            if looked - parts > PARTS_S:
                parts = looked
                session.get(f"{address}/changes", timeout=60)
            told = session.get(f"{address}/trace/index?since={seq}", timeout=60).json()
            seq = told["seq"]
            fresh = [index for index in told["index"] if index not in known]
            if not fresh:
                continue
            known.update(fresh)
            wanted = ",".join(map(str, fresh[-80:]))
            session.get(f"{address}/trace/rows?i={wanted}", timeout=60)
            now = time.time()
            run.delays += [now - run.stored[index] for index in fresh if index in run.stored]


def _cpu_s(process: psutil.Process) -> float:
    """Seconds of processor time of a process and its children."""
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        times = each.cpu_times()
        total += times.user + times.system
    return total


if __name__ == "__main__":
    main()
