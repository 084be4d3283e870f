"""The search page as people see it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from runs.states import RunStatus
from tests.browser.test_compare import check
from tests.factories import make_run
from tests.integration.traces.test_search import NASTY, log
from traces.search_filling import fill
from vivaria.models import User


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_are_found_and_open_their_entry(
    open_page: Callable[..., Page], ada: User, theme: str
) -> None:
    run = make_run(status=RunStatus.RUNNING, user=ada)
    log(run, NASTY, index=7)
    log(run, "The quokka could not be opened: permission denied while reading its file", index=8)
    fill()
    page = open_page("/search/?q=quokka", theme=theme)
    expect(page.locator(".hit mark")).to_have_count(2)
    check(page, f"search-{theme}")
    page.get_by_role("link", name="in run").first.click()
    expect(page).to_have_url(f"{page.url.split('/run/')[0]}/run/{run.pk}/?e=8")
