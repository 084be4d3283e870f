"""Who may reach what: one isolated network per run, the relay its only neighbour."""

from vivaria.errors import HostUnreachable
from workers.docker import names, subnets
from workers.docker.errors import ContainerGone
from workers.docker.port import ContainerHost
from workers.docker.relay import NetworkSettings, ensure_relay
from workers.docker.types import Labels, NetworkName


def ensure_run_network(
    host: ContainerHost, settings: NetworkSettings, *, run_id: int
) -> NetworkName:
    """Make sure that the run's network exists and that the relay is in it, as `gateway`.

    A container may be created on the network before this returns, but not started.

    Raises:
        NoFreeSubnet: the configured range is used up.
    """
    name = names.run_network(settings.instance, run_id)
    labels = names.labels_of_run(settings.instance, run_id)
    return ensure_network(host, settings, name=name, labels=labels, key=run_id)


def ensure_network(
    host: ContainerHost, settings: NetworkSettings, *, name: NetworkName, labels: Labels, key: int
) -> NetworkName:
    """Make sure of one isolated network, found again by `labels`; `key` says where to look first.

    Raises:
        NoFreeSubnet: the configured range is used up.
    """
    relay = ensure_relay(host, settings)
    if not any(network.name == name for network in host.networks(labels)):
        subnets.create_in(
            host,
            subnets.SubnetRange(range=settings.range),
            name=name,
            start=subnets.start_of(settings.instance, key),
            labels=labels,
            isolated=True,
        )
    try:
        host.connect(name, relay, alias=names.GATEWAY_ALIAS)
    except ContainerGone as gone:
        raise HostUnreachable("The relay was replaced just now.") from gone
    return name


def remove_run_network(host: ContainerHost, settings: NetworkSettings, *, run_id: int) -> None:
    """Take everything off the run's network and remove it; no error where it is gone."""
    for network in host.networks(names.labels_of_run(settings.instance, run_id)):
        host.remove_network(network.name)
