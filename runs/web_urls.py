"""URLs of the pages of runs, at the site's root."""

from django.urls import path

from runs import environment_web, sql_web, web

urlpatterns = [
    path("", web.runs_list, name="runs"),
    path("runs/", web.runs_list),
    path("runs/changes", web.runs_changes, name="runs-changes"),
    path("run/", web.old_run_link, name="old-run-link"),
    path("run/<int:run_id>/", web.run_page, name="run"),
    path("run/<int:run_id>/changes", web.run_changes, name="run-changes"),
    path("run/<int:run_id>/output/<str:step>", web.step_output, name="step-output"),
    path("run/<int:run_id>/kill", web.kill_run, name="kill-run"),
    path("environments/", environment_web.environments_list, name="environments"),
    path("environments/<str:name>/<str:action>", environment_web.change, name="environment-change"),
    path("sql/", sql_web.console, name="sql"),
    path("sql/run", sql_web.run_query, name="sql-run"),
    path("sql/download", sql_web.download, name="sql-download"),
    path("sql/save", sql_web.save, name="sql-save"),
    path("sql/<int:query_id>/delete", sql_web.delete, name="sql-delete"),
]
