"""Pytest for task families: which task is under test, and its family (METR Task Standard)."""

import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import pytest

FAMILY = "--task-standard-task-family-name"
TASK = "--task-standard-task-name"
PRINT = "--task-standard-print-task-names"
REPORT = "--task-standard-tasks-report"
MARKER = "task_standard_tasks"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("metr_task_standard", "METR Task Standard")
    group.addoption(FAMILY, help="Name of the task family under test.")
    group.addoption(TASK, help="Name of the task under test.")
    group.addoption(PRINT, action="store_true", help="Print the family's task names and stop.")
    group.addoption(REPORT, metavar="FILE", help="Write which tests ran for which task, as JSON.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{MARKER}(names): a test of these tasks alone; it is skipped for the others."
    )


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.getoption(PRINT):
        return None
    sys.stdout.write("".join(f"{name}\n" for name in _tasks(_family(config))))
    return 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that are not meant for the task."""
    task = config.getoption(TASK)
    for item in items:
        for mark in item.iter_markers(MARKER):
            names = _names(mark)
            if task not in names:
                said = f"It is a test of {', '.join(names)}, not of {task}."
                item.add_marker(pytest.mark.skip(reason=said))


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption(REPORT)
    if path:
        task = session.config.getoption(TASK)
        tests = [item.nodeid for item in session.items]
        Path(path).write_text(json.dumps({"task": task, "tests": tests}) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def task_family(pytestconfig: pytest.Config) -> Any:
    """The class `TaskFamily` under test."""
    return _family(pytestconfig)


@pytest.fixture(scope="session")
def task_name(pytestconfig: pytest.Config) -> str:
    """The name of the task under test."""
    return _required(pytestconfig, TASK)


@pytest.fixture(scope="session")
def task(task_family: Any, task_name: str) -> Any:
    """The task under test, as `get_tasks` gives it."""
    tasks = _tasks(task_family)
    if task_name not in tasks:
        raise pytest.UsageError(f"There is no task {task_name!r}; there are {', '.join(tasks)}.")
    return tasks[task_name]


def _names(mark: pytest.Mark) -> list[str]:
    given = [*mark.args, *mark.kwargs.values()]
    return [name for each in given for name in ([each] if isinstance(each, str) else each)]


def _family(config: pytest.Config) -> Any:
    return importlib.import_module(_required(config, FAMILY)).TaskFamily


def _tasks(family: Any) -> dict[str, Any]:
    is_method = not isinstance(inspect.getattr_static(family, "get_tasks"), staticmethod)
    return dict((family() if is_method else family).get_tasks())


def _required(config: pytest.Config, option: str) -> str:
    found = config.getoption(option)
    if not found:
        raise pytest.UsageError(f"Give {option}.")
    return str(found)
