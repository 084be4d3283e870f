"""Logs the numbers from 0 to 9,999 over a minute or so, then answers."""

import asyncio

from pyhooks import Hooks

ENTRIES = 10_000


async def main(hooks: Hooks) -> None:
    for number in range(ENTRIES):
        hooks.log(number)
        await asyncio.sleep(0.005)
    await hooks.submit("2")


Hooks().main(main)
