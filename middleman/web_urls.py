"""The middleman app's pages."""

from django.urls import path

from middleman import web

urlpatterns = [path("playground/", web.playground_page, name="playground")]
