"""The Internet for tasks that ask for it: a bridge of the run's own, closed towards the host."""

from pathlib import Path
from typing import Final

from vivaria.errors import HostRefused, HostUnreachable
from workers.docker import names, subnets
from workers.docker.port import ContainerHost
from workers.docker.relay import NetworkSettings
from workers.docker.types import ContainerName, ContainerSpec, NetworkName

SCRIPT: Final = Path(__file__).parent.parent / "images" / "way_out.py"
TIMEOUT_S: Final = 60
# It ends by itself where the worker that made it dies.
LONGER_THAN_NEEDED: Final = ("sleep", "120")


def join(
    host: ContainerHost, settings: NetworkSettings, container: ContainerName, *, run_id: int
) -> None:
    """Give a container that is not started yet a way out, on a network that nobody else is on.

    Raises:
        NoFreeSubnet: the configured range is used up.
    """
    name = names.internet_network(settings.instance, run_id)
    labels = {**names.labels_of_run(settings.instance, run_id), names.ROLE: names.INTERNET}
    if not host.networks(labels):
        subnets.create_in(
            host,
            subnets.SubnetRange(range=settings.range),
            name=name,
            start=subnets.start_of(settings.instance, run_id),
            labels=labels,
            isolated=False,
        )
    host.connect(name, container, alias="task")


def close_towards_host(
    host: ContainerHost, settings: NetworkSettings, container: ContainerName, *, run_id: int
) -> None:
    """Refuse the host's own and all private addresses to a container that has been started.

    Before anything of the task or the agent runs in it, and after each start: the rules live as
    long as its processes. It lacks the power to take them back.

    Raises:
        HostRefused: the rules could not be set.
    """
    guard = names.guard_container(container)
    own = names.run_network(settings.instance, run_id)
    spec = guard_spec(settings, guard, of=container)
    host.remove(guard)
    host.create(spec)
    try:
        host.start(guard)
        command = ["python3", "-I", "-S", "-c", SCRIPT.read_text(), _subnet(host, settings, own)]
        done = host.exec(guard, [*command, *settings.resolvers], timeout_s=TIMEOUT_S)
    finally:
        host.remove(guard)
    if not done.ok:
        raise HostRefused(
            "The container's way to the host could not be closed, so it was not let onto the "
            f"Internet: {done.stderr_text.strip()[-500:]} The Docker host needs iptables."
        )


def guard_spec(
    settings: NetworkSettings, name: ContainerName, *, of: ContainerName
) -> ContainerSpec:
    """The container that sets the rules. It shares its network, and nothing else, with `of`."""
    return ContainerSpec(
        name=name,
        image=settings.image,
        command=LONGER_THAN_NEEDED,
        network=NetworkName(f"container:{of}"),
        labels=names.labels_of_instance(settings.instance),
        user="root",
        memory_gb=0.25,
        pids=32,
        cap_drop=["ALL"],
        cap_add=["NET_ADMIN", "NET_RAW", "SYS_CHROOT"],
        no_new_privileges=True,
        read_only=True,
        shown_files={"/": "/host"},
        # For the lock of iptables.
        scratch=["/host/run"],
    )


def _subnet(host: ContainerHost, settings: NetworkSettings, name: NetworkName) -> str:
    for network in host.networks(names.labels_of_instance(settings.instance)):
        if network.name == name and network.subnet is not None:
            return str(network.subnet)
    raise HostUnreachable(f"Network {name} was removed just now.")
