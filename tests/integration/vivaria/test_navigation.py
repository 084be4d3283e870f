"""The bar on top of every page."""

from django.test import Client

from vivaria import navigation


def test_the_bar_leads_to_the_pages_that_are_there(pages: Client) -> None:
    shown = pages.get("/").content.decode()
    for place in navigation.places(""):
        assert f'href="{place.url}"' in shown


def test_the_page_that_is_open_is_marked() -> None:
    marked = [place.name for place in navigation.places("sql") if place.is_current]
    assert marked == ["sql"]
