"""What people hand in by mistake or in malice: each run ends and says why and what to do."""

import io
import tarfile
from pathlib import Path

import pytest

from runs.models import Transition
from runs.states import FailureClass, RunStatus, Step
from tests.docker.workers.families import family
from tests.docker.workers.world import SLEEPER, World, error_of, printed, trunk
from tests.uploads import Files, packed_members
from vivaria.clock import now_ms
from vivaria.config import config
from workers import run_setup

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

START = """
    @staticmethod
    def start(t):
"""
INSTALL = """
    @staticmethod
    def install():
"""


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return packed_members(info)


def bomb() -> bytes:
    """An archive whose one member says that it is 10 GB of zeros."""
    info = tarfile.TarInfo("big")
    info.size = 10 * 1024**3
    buffer = io.BytesIO()
    buffer.write(info.tobuf() + bytes(1024))
    return buffer.getvalue()


FAMILIES: list[tuple[str, bytes | Files, str, str]] = [
    ("syntax", {"odd.py": "class TaskFamily:\n  def"}, "serverOrTask", "failed in import"),
    ("import", {"odd.py": "import nowhere"}, "serverOrTask", "No module named 'nowhere'"),
    ("no class", {"odd.py": ""}, "serverOrTask", "odd.py has no class TaskFamily"),
    ("no module", {"even.py": ""}, "user", "has no odd.py at its top. It holds: even.py"),
    ("no task", family("", "other"), "user", "has no task 'main'. It has: other"),
    ("tasks", {"odd.py": "class TaskFamily:\n  get_tasks = lambda: []"}, "serverOrTask", "dict"),
    ("install", family(INSTALL + "        1/0"), "serverOrTask", "failed in install"),
    ("start", family(START + "        1/0"), "serverOrTask", "failed in start: ZeroDivisionError"),
    ("permission", family("    get_permissions = lambda t: ['x']"), "serverOrTask", "permissions"),
    ("variables", family("    required_environment_variables = ['K']"), "serverOrTask", "--env-f"),
    ("vm", family("    get_aux_vm_spec = lambda t: {}"), "serverOrTask", "does not have"),
    ("manifest", {**family(""), "manifest.yaml": "task: {}"}, "serverOrTask", "task: Extra inputs"),
    ("yaml", {**family(""), "manifest.yaml": "a: ["}, "serverOrTask", "manifest.yaml is not YAML"),
    ("gpu", {**family(""), "manifest.yaml": "tasks: {main: {resources: {gpu: {count_range: [1, 1],"
                                            " model: h100}}}}"}, "serverOrTask", "GPUs"),
    ("step", {**family(""), "build_steps.json": '[{"type":"shell","commands":["false"]}]'},
     "serverOrTask", "Build step 1 of build_steps.json ended with status 1"),
    ("no archive", b"hello", "serverOrTask", "is not a whole tar or tar.gz"),
    ("escape", member("../odd.py"), "serverOrTask", "'../odd.py' would land outside"),
    ("absolute", member("/etc/odd.py"), "serverOrTask", "'/etc/odd.py' would land outside"),
    ("symlink", member("odd.py", tarfile.SYMTYPE, linkname="/etc/passwd"), "serverOrTask",
     "holds a symbolic link, 'odd.py'"),
    ("hard link", member("odd.py", tarfile.LNKTYPE, linkname="x"), "serverOrTask", "a hard link"),
    ("device", member("odd", tarfile.CHRTYPE), "serverOrTask", "holds a device, 'odd'"),
    ("bomb", bomb(), "serverOrTask", "unpacks to more than 2048 MiB, at 'big'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "source", "words"), [case[1:] for case in FAMILIES], ids=[c[0] for c in FAMILIES]
)
def test_a_bad_family_ends_the_run(
    world: World, files: bytes | Files, source: str, words: str
) -> None:
    run = world.set_up("odd/main", family=files)
    assert error_of(run)[0] == source
    assert words in error_of(run)[1]
    assert run.setup_attempts <= 1
    assert world.left_of(run) == []


AGENTS: list[tuple[str, bytes | Files, str]] = [
    ("no main", {"agent.py": ""}, "The agent has no main.py at its top. It holds: agent.py"),
    ("requirements", {"main.py": "", "requirements.txt": "no-such-thing==1"}, "requirements.txt"),
    ("requirement syntax", {"main.py": "", "requirements.txt": "=="}, "requirements.txt"),
    ("archive", b"\x1f\x8bnonsense", "is not a whole tar or tar.gz"),
    ("link", member("main.py", tarfile.SYMTYPE, linkname="x"), "holds a symbolic link"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "words"), [c[1:] for c in AGENTS], ids=[c[0] for c in AGENTS])
def test_a_bad_agent_ends_the_run(world: World, files: bytes | Files, words: str) -> None:
    run = world.set_up(agent=files)
    assert error_of(run)[0] == "agent"
    assert words in error_of(run)[1]
    assert trunk(run).failure_class == FailureClass.AGENT


def test_output_without_end_is_bounded_and_the_run_goes_on(world: World) -> None:
    body = INSTALL + "        for _ in range(20_000): print('y' * 9999)\n        print('the end')"
    run = world.set_up("odd/main", family=family(body))
    text = printed(run, Step.TASK_BUILD)
    assert run.status == RunStatus.RUNNING
    assert "bytes not kept" in text
    assert "the end" in text
    assert len(text) < 2 * config().vivaria_step_output_max_chars


@pytest.mark.parametrize(
    ("method", "step"),
    [(INSTALL, Step.TASK_BUILD), (START, Step.TASK_START)],
    ids=["install", "start"],
)
def test_a_method_that_hangs_ends_soon_after_the_kill(
    world: World, method: str, step: Step
) -> None:
    run = world.placed("odd/main", family=family(method + "        __import__('time').sleep(999)"))
    with world.meanwhile(lambda: world.once(run, step, lambda: world.kill(run))):
        run_setup.set_up(run.pk, host=world.engine)
    killed_at = Transition.objects.filter(run=run).latest("id").created_at
    assert now_ms() - killed_at < 3000
    assert error_of(run) == ("user", "Killed by a person.")
    assert world.left_of(run) == []


def test_a_container_that_is_removed_during_set_up_is_made_again(world: World) -> None:
    body = START + "        __import__('time').sleep(4)"
    run = world.placed("odd/main", family=family(body), agent=SLEEPER)
    with world.meanwhile(lambda: world.once(run, Step.TASK_START, lambda: world.remove(run))):
        run_setup.set_up(run.pk, host=world.engine)
    run.refresh_from_db()
    assert (run.status, run.setup_attempts) == (RunStatus.RUNNING, 2)


def test_a_full_disk_ends_the_run_and_says_so(world: World, small_disk: Path) -> None:
    files = {**family(""), "data.bin": "x" * 3_000_000}
    run = world.set_up("odd/main", family=files)
    source, detail = error_of(run)
    assert source == "server"
    assert "is full" in detail
    assert "VIVARIA_DATA_DIR" in detail
