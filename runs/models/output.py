"""What the steps of a run or an environment print, chunk by chunk as it comes."""

from django.db import models

from runs.models.environment import EnvironmentOrder
from runs.models.run import Run
from runs.states import Step
from vivaria.clock import now_ms


class StepOutput(models.Model):
    """One go at one step: its times, exit status and how much of its output was dropped."""

    # One of the two: a run, or what was asked of an environment without an agent.
    run = models.ForeignKey(
        Run,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        db_column="runId",
        related_name="steps",
    )
    order = models.ForeignKey(
        EnvironmentOrder,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        db_column="environmentOrderId",
        related_name="steps",
    )
    branch_number = models.PositiveIntegerField(default=0, db_column="agentBranchNumber")
    step = models.CharField(max_length=32, choices=Step.choices)
    attempt = models.PositiveSmallIntegerField(default=1)
    started_at = models.BigIntegerField(default=now_ms, db_column="startedAt")
    ended_at = models.BigIntegerField(null=True, blank=True, db_column="endedAt")
    exit_status = models.IntegerField(null=True, blank=True, db_column="exitStatus")
    # "image vivaria-task:1f3a… was there": said where a step had nothing to do.
    note = models.TextField(blank=True, default="")
    chars = models.BigIntegerField(default=0)
    dropped_chars = models.BigIntegerField(default=0, db_column="droppedChars")

    class Meta:
        db_table = "step_outputs_t"
        constraints = [
            models.UniqueConstraint(
                fields=["run", "branch_number", "step", "attempt"], name="step_once_per_attempt"
            ),
            models.UniqueConstraint(
                fields=["order", "step", "attempt"], name="step_once_per_attempt_of_order"
            ),
            models.CheckConstraint(
                name="step_belongs_to_run_or_order",
                condition=models.Q(run__isnull=False, order__isnull=True)
                | models.Q(run__isnull=True, order__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        owner = f"run {self.run_id}" if self.order_id is None else f"order {self.order_id}"
        return f"{self.step} of {owner}"


class OutputChunk(models.Model):
    """A piece of a step's output, in the order in which it came."""

    class Stream(models.TextChoices):
        STDOUT = "stdout"
        STDERR = "stderr"

    output = models.ForeignKey(
        StepOutput, on_delete=models.CASCADE, related_name="chunks", db_column="stepOutputId"
    )
    stream = models.CharField(max_length=6, choices=Stream.choices)
    # Where the piece starts in its stream, in bytes as the program wrote them: a piece that is
    # sent twice is stored once.
    offset = models.BigIntegerField()
    text = models.TextField()
    at = models.BigIntegerField(default=now_ms)

    class Meta:
        db_table = "output_chunks_t"
        constraints = [
            models.UniqueConstraint(
                fields=["output", "stream", "offset"], name="output_chunk_once_per_offset"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream} at {self.offset}"
