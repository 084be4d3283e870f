"""Many runs at once, and a new one from the form, as a person does it."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from runs.models import Run, TaskEnvironment
from runs.states import RunStatus
from tests.factories import make_run
from vivaria.models import User

Open = Callable[..., Page]


def test_selected_runs_are_killed_after_a_look_at_what_is_touched(
    open_page: Open, ada: User
) -> None:
    ended = make_run(status=RunStatus.SUBMITTED, user=ada)
    alive = make_run(status=RunStatus.RUNNING, user=ada)
    page = open_page("/")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    expect(page.locator("#selection b")).to_have_text("2 selected")
    page.click("[data-bulk=kill]")
    dialog = page.locator("#bulk-dialog")
    expect(dialog.locator("[data-touched]")).to_contain_text("1 run of 2 will be touched")
    expect(dialog.locator("[data-left]")).to_contain_text(f"Run {ended.pk} has ended.")
    dialog.locator("[data-go]", has_text="Kill 1 run").click()
    expect(page.locator(f"#run-{alive.pk} .word")).to_have_text("Killed")


def test_the_form_names_what_is_wrong_and_keeps_what_was_typed(open_page: Open, ada: User) -> None:
    before = make_run(user=ada, uploaded_agent_path="upload-gone", uploaded_agent_name="two")
    TaskEnvironment.objects.filter(run=before).update(uploaded_task_family_path="upload-gone")
    page = open_page("/runs/new/")
    page.fill("[name='usage_limits.tokens']", "hot")
    page.fill("[name=metadata]", '{"a": 1}')
    expect(page.locator("#command")).to_contain_text("--metadata '{\"a\": 1}'")
    page.click("[type=submit] >> text=Start the run")
    expect(page.locator("[id='usage_limits.tokens-problem']")).to_contain_text(
        "'hot'; give a number"
    )
    assert page.input_value("[name=metadata]") == '{"a": 1}'
    assert Run.objects.count() == 1
