"""SSH to a task environment, as METR's `viv` does it."""

import os
import shlex
from typing import Final

from viv_cli.client import Server

# Containers come and go under one address.
ANY_HOST: Final = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")


def command(server: Server, name: str, *, user: str) -> str:
    """The command that logs in, to copy."""
    return shlex.join(_argv(server, name, user=user))


def enter(server: Server, name: str, *, user: str) -> None:
    """Become the ssh that logs in."""
    argv = _argv(server, name, user=user)
    os.execvp(argv[0], argv)  # noqa: S606  the arguments are ours


def _argv(server: Server, name: str, *, user: str) -> list[str]:
    wanted = {"containerName": name}
    address = server.ask_of_task("getTaskEnvironmentIpAddress", wanted, is_query=True)
    env = server.ask_of_task("getEnvForTaskEnvironment", {**wanted, "user": user}, is_query=True)[
        "env"
    ]
    sent = [part for key, value in env.items() for part in ("-o", f'SetEnv={key}="{value}"')]
    return ["ssh", "-A", *ANY_HOST, *sent, f"{user}@{address['ipAddress']}"]
