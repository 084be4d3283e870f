"""Named places in a worker's life at which the chaos tests make it die."""

import os
import signal
from enum import StrEnum


class Place(StrEnum):
    """Where a worker can be made to die: just after what the name says."""

    LEASE_TAKEN = "lease_taken"
    TASK_IMAGE_BUILDING = "task_image_building"
    TASK_IMAGE_READY = "task_image_ready"
    SETUP_DATA_READY = "setup_data_ready"
    AGENT_IMAGE_READY = "agent_image_ready"
    NETWORK_READY = "network_ready"
    CONTAINER_CREATED = "container_created"
    CONTAINER_STARTED = "container_started"
    TASK_STARTED = "task_started"
    BRANCH_BEGUN = "branch_begun"
    AGENT_STARTED = "agent_started"
    INTERMEDIATE_SCORE_TAKEN = "intermediate_score_taken"
    SCORING_BEGUN = "scoring_begun"
    SCORER_ANSWERED = "scorer_answered"
    VERDICT_RECORDED = "verdict_recorded"
    SNAPSHOT_TAKEN = "snapshot_taken"
    CONTAINER_REMOVED = "container_removed"


class LatePlace(StrEnum):
    """The same in what people do to runs after they began."""

    STATE_FILES_TAKEN = "state_files_taken"
    BRANCH_CONTAINER_CREATED = "branch_container_created"
    BRANCH_CONTAINER_READY = "branch_container_ready"
    LATE_BRANCH_BEGUN = "late_branch_begun"
    LATE_AGENT_STARTED = "late_agent_started"
    RESCORING_CONTAINER_READY = "rescoring_container_ready"
    RESCORER_ANSWERED = "rescorer_answered"


class EnvironmentPlace(StrEnum):
    """The same in environments without an agent."""

    CREATED = "environment_created"
    STARTED = "environment_started"
    USED = "environment_used"
    REMOVED = "environment_removed"


def reach(place: Place | LatePlace | EnvironmentPlace) -> None:
    """Die here, as by `kill -9`, if VIVARIA_FAULT_KILL_AT names this place; else nothing."""
    if os.environ.get("VIVARIA_FAULT_KILL_AT") == place:
        os.kill(os.getpid(), signal.SIGKILL)
