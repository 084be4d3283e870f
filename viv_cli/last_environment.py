"""Which task environment was started last: what commands without a name mean."""

from pathlib import Path
from typing import Final

import click

from viv_cli import config
from viv_cli.errors import BadUsage, Failed

FILE_NAME: Final = "last_task_environment_name"


def remember(name: str) -> None:
    """Keep an environment's name beside the settings.

    Raises:
        Failed: the file cannot be written.
    """
    place = _path()
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.write_text(f"{name}\n", encoding="utf-8")
    except OSError as error:
        raise Failed(f"Cannot write {place}: {error.strerror}.") from error


def named(name: str | None) -> str:
    """Return `name`, or the last one, and say which that is.

    Raises:
        BadUsage: there is none.
    """
    if name:
        return name
    try:
        last = _path().read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        last = ""
    except OSError as error:
        raise Failed(f"Cannot read {_path()}: {error.strerror}.") from error
    if not last:
        raise BadUsage("Which task environment? Give its name; `viv task list` shows them.")
    click.echo(f"Using the last task environment, {last}", err=True)
    return last


def forget(name: str) -> None:
    """Forget an environment that is gone, if it is the last one."""
    place = _path()
    if place.is_file() and place.read_text(encoding="utf-8").strip() == name:
        place.unlink()


def _path() -> Path:
    return config.path().with_name(FILE_NAME)
