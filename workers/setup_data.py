"""What a family says of a task, asked once for each task image."""

from runs.manifest import TaskDefinition
from runs.models import TaskEnvironment, TaskExtracted
from workers import builder, locks
from workers.docker.port import ContainerHost
from workers.docker.types import NO_NETWORK, ImageName
from workers.failures import StepFailed, task_fault
from workers.marks import Mark
from workers.step_output import StepLog
from workers.task_family import Family, SetupData, read_set_up


def ensure(
    host: ContainerHost,
    image: ImageName,
    environment: TaskEnvironment,
    definition: TaskDefinition,
    *,
    log: StepLog,
    mark: Mark,
) -> SetupData:
    """Find or ask what the family in `image` says of the environment's task.

    Raises:
        StepFailed: there is no such task, its code failed, or it asks for what we have not.
    """
    task_id = f"{environment.task_family_name}/{environment.task_name}"
    kept = TaskExtracted.objects.filter(commit_id=image, task_id=task_id).first()
    if kept is not None:
        log.note(f"The data of {task_id} in image {image} was there.")
        return SetupData.model_validate(kept.content)
    log.say(f"Asking the family what {task_id} is.")
    found = _ask(host, image, environment, log, mark)
    said = found.model_copy(update={"definition": definition.model_dump(mode="json")})
    _refuse_what_we_have_not(said)
    TaskExtracted.objects.update_or_create(
        commit_id=image, task_id=task_id, defaults={"content": said.as_stored()}
    )
    return said


def _ask(
    host: ContainerHost,
    image: ImageName,
    environment: TaskEnvironment,
    log: StepLog,
    mark: Mark,
) -> SetupData:
    digest = f"data-{environment.pk}"
    with (
        # Held so that nobody takes the container for a leftover.
        locks.alone(f"image-{digest}", should_stop=mark, on_wait=lambda: None),
        builder.workshop(
            host, image, digest=digest, log=log, mark=mark, network=NO_NETWORK
        ) as shop,
    ):
        family = Family(
            host=host,
            container=shop.container,
            name=environment.task_family_name,
            task=environment.task_name,
            on_output=log.take,
            should_stop=mark,
        )
        return read_set_up(family)


def _refuse_what_we_have_not(said: SetupData) -> None:
    if said.aux_vm_spec is not None:
        raise _lacking("an auxiliary virtual machine (get_aux_vm_spec)")


def _lacking(what: str) -> StepFailed:
    return task_fault(f"The task asks for {what}, which this installation does not have.")
