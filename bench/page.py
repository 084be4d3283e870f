"""A run's page in Chromium, with traces of 100, 10,000 and 50,000 entries side by side.

    python -m bench.page

starts an instance of its own, gives it the runs, and reads the browser's own performance API: when
the first screen stands, what came over the wire, the longest frame while scrolling and searching,
the heap before and after. Last, a run with one entry of 20 MB, which is then opened.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from bench.instance import Instance, instance
from vivaria.config import ROOT

ENTRIES: Final = (100, 10_000, 50_000)
OUTPUT_KB: Final = 24
LARGE_MB: Final = 20
ROUNDS: Final = 5
JUMPS: Final = 40
COLLECT: Final = (
    "import django; django.setup(); from vivaria.static_files import collect; collect()"
)
# Says when the first rows stand, and keeps the longest time between two frames.
WATCH: Final = """
window.bench = { first: 0, longest: 0, frames: 0, last: 0 };
const frame = (now) => {
  const b = window.bench;
  if (b.last) { b.longest = Math.max(b.longest, now - b.last); b.frames++; }
  b.last = now;
  if (!b.first && document.querySelector('#trace .entry:not(.loading)')
      && !document.querySelector('#trace .entry.loading')) b.first = performance.now();
  requestAnimationFrame(frame);
};
requestAnimationFrame(frame);
"""
RESET: Final = "Object.assign(window.bench, { longest: 0, frames: 0, last: 0 })"
SCROLL: Final = """() => new Promise(done => {
  const pane = document.querySelector('#trace-scroll');
  let left = 120;
  const step = () => { pane.scrollTop += 240; left-- > 0 ? requestAnimationFrame(step) : done(); };
  requestAnimationFrame(step);
})"""
JUMP: Final = """share => {
  const pane = document.querySelector('#trace-scroll');
  pane.scrollTop = share * pane.scrollHeight;
}"""
DRAWN: Final = """() => new Promise(done => {
  const look = () => document.querySelector('#trace .entry.loading')
    ? requestAnimationFrame(look) : done();
  requestAnimationFrame(() => requestAnimationFrame(look));
})"""
# The page's policy lets no string be evaluated there, so what is waited for is a promise.
FIRST: Final = """() => new Promise(done => {
  const look = () => window.bench.first ? done(window.bench.first) : setTimeout(look, 20);
  look();
})"""
COUNTED: Final = """() => new Promise(done => {
  const look = () => document.querySelector('#found').textContent ? done() : setTimeout(look, 5);
  look();
})"""
BYTES: Final = """() => performance.getEntriesByType('resource')
  .concat(performance.getEntriesByType('navigation'))
  .reduce((sum, each) => sum + each.transferSize, 0)"""
ROWS: Final = (
    ("first", "first screen, first visit", "ms"),
    ("again", f"first screen, median of {ROUNDS} later", "ms"),
    ("bytes_first", "over the wire, first visit", "kB"),
    ("bytes_again", "over the wire, later", "kB"),
    ("requests", "requests", ""),
    ("scroll", "longest frame in 120 of scrolling", "ms"),
    ("jump", "a jump until its rows stand, median", "ms"),
    ("jump_frame", f"longest frame in {JUMPS} jumps", "ms"),
    ("find", "a word that 1 in 48 says, until counted", "ms"),
    ("find_frame", "longest frame while finding", "ms"),
    ("heap", "heap at first", "MB"),
    ("heap_after", "heap after all that", "MB"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=4160, help="and the next one, for the site")
    asked = parser.parse_args()
    with instance(port=asked.port) as made, site(made, asked.port + 1) as served:
        told, url = _runs(made), served.url
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
                args=["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"],
            )
            figures = [_measure(browser, url, told["session"], run) for run in told["runs"]]
            _print(told["runs"], figures)
            _measure_large(browser, url, told)
            browser.close()


@dataclass(frozen=True)
class Site:
    """The pages' server of an instance."""

    url: str
    process: psutil.Process


@contextmanager
def site(made: Instance, port: int) -> Iterator[Site]:
    """Serve an instance's pages on a port, with their files as they are in production."""
    environment = made.environment | {"VIVARIA_SITE_PORT": str(port)}
    collect = "import django; django.setup(); from vivaria.static_files import collect; collect()"
    settings = {"DJANGO_SETTINGS_MODULE": "vivaria.settings"}
    subprocess.run(
        [sys.executable, "-c", collect], env=environment | settings, cwd=ROOT, check=True
    )
    process = psutil.Popen(
        [
            *(str(Path(sys.executable).parent / "granian"), "--interface", "wsgi", "--no-ws"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--blocking-threads", "4", "--log-level", "warning", "vivaria.wsgi:application"),
        ],
        env=environment,
        cwd=ROOT,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/login/", timeout=2).read()
                break
            except OSError:
                time.sleep(0.1)
        yield Site(url, process)
    finally:
        process.terminate()
        process.wait()


def _runs(made: Instance) -> dict[str, Any]:
    words = [*map(str, ENTRIES), "--output-kb", str(OUTPUT_KB), "--large-mb", str(LARGE_MB)]
    printed = subprocess.run(
        [sys.executable, "-m", "bench.long_run", *words],
        env=made.environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    told: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return told


def _measure(browser: Browser, url: str, session: str, run: dict[str, Any]) -> dict[str, float]:
    page = _page(browser, url, session)
    address = f"{url}/run/{run['id']}/"
    first = _open(page, address)
    bytes_first = page.evaluate(BYTES)
    again = [_open(page, address) for _ in range(ROUNDS)]
    figures = {
        "first": first,
        "again": statistics.median(again),
        "bytes_first": bytes_first / 1e3,
        "bytes_again": page.evaluate(BYTES) / 1e3,
        "requests": page.evaluate("performance.getEntriesByType('resource').length + 1"),
        "heap": _heap_mb(page),
    }
    page.evaluate(RESET)
    page.evaluate(SCROLL)
    figures["scroll"] = page.evaluate("window.bench.longest")
    figures |= _jumps(page) | _find(page)
    figures["heap_after"] = _heap_mb(page)
    page.context.close()
    return figures


def _page(browser: Browser, url: str, session: str) -> Page:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.add_init_script(WATCH)
    return page


def _open(page: Page, address: str) -> float:
    page.goto(address)
    return float(page.evaluate(FIRST))


def _jumps(page: Page) -> dict[str, float]:
    times = []
    page.evaluate(RESET)
    for n in range(JUMPS):
        started = time.perf_counter()
        page.evaluate(JUMP, (n * 37 % JUMPS) / JUMPS)
        page.evaluate(DRAWN)
        times.append((time.perf_counter() - started) * 1000)
    longest = page.evaluate("window.bench.longest")
    return {"jump": statistics.median(times), "jump_frame": longest}


def _find(page: Page) -> dict[str, float]:
    page.evaluate(RESET)
    started = time.perf_counter()
    page.fill("#find", "MemoryError")
    page.evaluate(COUNTED)
    took = (time.perf_counter() - started) * 1000
    page.evaluate(DRAWN)
    return {"find": took, "find_frame": page.evaluate("window.bench.longest")}


def _measure_large(browser: Browser, url: str, told: dict[str, Any]) -> None:
    large = told["large"]
    page = _page(browser, url, told["session"])
    first = _open(page, f"{url}/run/{large['id']}/")
    heap = _heap_mb(page)
    started = time.perf_counter()
    page.goto(f"{url}/run/{large['id']}/?e={large['index']}")
    page.wait_for_selector("#pane-entry .entry-head")
    opened = (time.perf_counter() - started) * 1000
    page.evaluate(RESET)
    page.evaluate(SCROLL)
    longest = page.evaluate("window.bench.longest")
    print(f"\na run with one entry of {large['mb']} MB")
    print(f"first screen {first:.0f} ms, at the entry, it open {opened:.0f} ms")
    print(f"longest frame in 120 of scrolling {longest:.0f} ms")
    print(f"heap {heap:.1f} MB, with the entry open {_heap_mb(page):.1f} MB")


def _heap_mb(page: Page) -> float:
    page.request_gc()
    return float(page.evaluate("performance.memory.usedJSHeapSize")) / 1e6


def _print(runs: list[dict[str, Any]], figures: list[dict[str, float]]) -> None:
    heads = [f"{run['entries']:,} entries" for run in runs]
    print(f"{'':<42}" + "".join(f"{head:>18}" for head in heads))
    print(f"{'size':<42}" + "".join(f"{run['mb']:>15.1f} MB" for run in runs))
    for name, words, unit in ROWS:
        cells = "".join(f"{each[name]:>15.1f} {unit:<2}" for each in figures)
        print(f"{words:<42}{cells}")


if __name__ == "__main__":
    main()
