"""What people's SQL needs: queries that they keep, and who reads through which connection."""

from typing import ClassVar, Final

from django.conf import settings
from django.db import models

from vivaria.clock import now_ms

ACCESS: Final = "researcher-database-access"


class SavedQuery(models.Model):
    """A query that somebody keeps under a name; a shared one is listed for everybody."""

    name = models.CharField(max_length=100)
    text = models.TextField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        db_column="userId",
        related_name="saved_queries",
    )
    is_shared = models.BooleanField(default=False, db_column="isShared")
    created_at = models.BigIntegerField(default=now_ms, db_column="createdAt")
    modified_at = models.BigIntegerField(default=now_ms, db_column="modifiedAt")

    class Meta:
        db_table = "saved_queries_t"
        verbose_name_plural = "saved queries"
        permissions: ClassVar = [(ACCESS, "May run SQL of their own (METR's name)")]
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="saved_query_once_per_name"),
        ]

    def __str__(self) -> str:
        return self.name


class ReportRun(models.Model):
    """A run that somebody, or a pipeline, has put into a report."""

    report_name = models.TextField(db_column="reportName")
    run = models.ForeignKey(
        "runs.Run", on_delete=models.CASCADE, db_column="runId", related_name="+"
    )
    created_at = models.BigIntegerField(default=now_ms, db_column="createdAt")

    class Meta:
        db_table = "report_runs_t"
        constraints = [
            models.UniqueConstraint(fields=["report_name", "run"], name="run_once_per_report"),
        ]

    def __str__(self) -> str:
        return f"run {self.run_id} in {self.report_name}"


class SqlSession(models.Model):
    """Whose query runs on a connection of the read-only role, as the views there look it up."""

    pid = models.IntegerField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_column="userId")
    # Names of the models whose runs are not for them.
    barred = models.JSONField(default=list)
    started_at = models.BigIntegerField(default=now_ms, db_column="startedAt")

    class Meta:
        db_table = "sql_sessions_t"

    def __str__(self) -> str:
        return f"connection {self.pid} of {self.user_id}"
