"""The state machines of runs and branches, as data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from django.db import models


class SetupState(models.TextChoices):
    """How far a run's set-up is (`runs_t."setupState"`)."""

    NOT_STARTED = "NOT_STARTED"
    BUILDING_IMAGES = "BUILDING_IMAGES"
    STARTING_AGENT_CONTAINER = "STARTING_AGENT_CONTAINER"
    STARTING_AGENT_PROCESS = "STARTING_AGENT_PROCESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"


class RunStatus(models.TextChoices):
    """What people see. Stored, and set by the same UPDATE as what it follows from."""

    QUEUED = "queued", "Queued"
    CONCURRENCY_LIMITED = "concurrency-limited", "Limited by batch"
    SETTING_UP = "setting-up", "Setting up"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    SUBMITTED = "submitted", "Submitted"
    MANUAL_SCORING = "manual-scoring", "Needs a score"
    USAGE_LIMITS = "usage-limits", "Usage limit"
    ERROR = "error", "Error"
    KILLED = "killed", "Killed"


class BranchState(models.TextChoices):
    """Where an agent branch is."""

    NOT_STARTED = "not-started"
    RUNNING = "running"
    SCORING = "scoring"
    SUBMITTED = "submitted"
    FAILED = "failed"


class ErrorSource(models.TextChoices):
    """`fatalError.from` of the contract."""

    AGENT = "agent"
    SERVER = "server"
    TASK = "task"
    SERVER_OR_TASK = "serverOrTask"
    USER = "user"
    USAGE_LIMITS = "usageLimits"


class FailureClass(models.TextChoices):
    """Who can mend a failure. Only infrastructure failures are tried again."""

    TASK = "task"
    AGENT = "agent"
    SCORING = "scoring"
    INFRASTRUCTURE = "infrastructure"
    PROVIDER = "provider"
    LIMIT = "limit"
    USER = "user"


class PauseReason(models.TextChoices):
    """Why a branch's clock stands still."""

    CHECKPOINT_EXCEEDED = "checkpointExceeded"
    HUMAN_INTERVENTION = "humanIntervention"
    PAUSE_HOOK = "pauseHook"
    PYHOOKS_RETRY = "pyhooksRetry"
    SCORING = "scoring"
    LEGACY = "legacy"
    OVERRIDE = "override"


# What only a person ends.
PAUSES_FOR_PEOPLE: Final = (PauseReason.CHECKPOINT_EXCEEDED, PauseReason.HUMAN_INTERVENTION)


class Step(models.TextChoices):
    """A step whose output is kept; the column that shows it is named after it."""

    TASK_BUILD = "taskBuild", "Task build"
    TASK_SETUP_DATA = "taskSetupDataFetch", "Task data"
    AGENT_BUILD = "agentBuild", "Agent build"
    CONTAINER = "containerCreation", "Container"
    TASK_START = "taskStart", "Task start"
    AGENT = "agent", "Agent"
    SCORE = "score", "Score"


S = SetupState
B = BranchState

SETUP_MOVES: Final[Mapping[SetupState, frozenset[SetupState]]] = MappingProxyType(
    {
        S.NOT_STARTED: frozenset({S.BUILDING_IMAGES, S.FAILED}),
        # Back to NOT_STARTED: its host fell silent, so it waits for a place once more.
        # To BUILDING_IMAGES, here and below: a fault of ours, tried again from the first step.
        S.BUILDING_IMAGES: frozenset(
            {S.STARTING_AGENT_CONTAINER, S.BUILDING_IMAGES, S.NOT_STARTED, S.FAILED}
        ),
        S.STARTING_AGENT_CONTAINER: frozenset(
            {S.STARTING_AGENT_PROCESS, S.BUILDING_IMAGES, S.NOT_STARTED, S.FAILED}
        ),
        S.STARTING_AGENT_PROCESS: frozenset({S.COMPLETE, S.BUILDING_IMAGES, S.FAILED}),
        S.COMPLETE: frozenset(),
        S.FAILED: frozenset(),
    }
)

BRANCH_MOVES: Final[Mapping[BranchState, frozenset[BranchState]]] = MappingProxyType(
    {
        B.NOT_STARTED: frozenset({B.RUNNING, B.FAILED}),
        # Straight to SUBMITTED never: a submission is scored first.
        B.RUNNING: frozenset({B.SCORING, B.FAILED}),
        B.SCORING: frozenset({B.SUBMITTED, B.FAILED}),
        # Back: a person brings an ended branch to life again.
        B.SUBMITTED: frozenset({B.NOT_STARTED}),
        B.FAILED: frozenset({B.NOT_STARTED}),
    }
)

WAITING: Final = (RunStatus.QUEUED, RunStatus.CONCURRENCY_LIMITED)
ACTIVE: Final = (RunStatus.SETTING_UP, RunStatus.RUNNING, RunStatus.PAUSED)
UNDER_WAY: Final = (BranchState.NOT_STARTED, BranchState.RUNNING, BranchState.SCORING)
ENDED: Final = (
    RunStatus.SUBMITTED,
    RunStatus.MANUAL_SCORING,
    RunStatus.USAGE_LIMITS,
    RunStatus.ERROR,
    RunStatus.KILLED,
)

STATUS_OF_FAILURE: Final[Mapping[ErrorSource, RunStatus]] = MappingProxyType(
    {
        ErrorSource.USER: RunStatus.KILLED,
        ErrorSource.USAGE_LIMITS: RunStatus.USAGE_LIMITS,
        ErrorSource.AGENT: RunStatus.ERROR,
        ErrorSource.SERVER: RunStatus.ERROR,
        ErrorSource.TASK: RunStatus.ERROR,
        ErrorSource.SERVER_OR_TASK: RunStatus.ERROR,
    }
)
