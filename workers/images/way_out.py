"""Closes a container's way to private addresses and to its host; the rest of the Internet stays.

Runs as root with NET_ADMIN in the container's network namespace, with the host's files under
/host, whose iptables it uses: an engine with networks has it. Arguments: the run's own network,
then what answers for names. The rules replace whatever filtered there before, so it may run twice.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HOST = "/host"
# Where the host's own addresses are listed, each followed by the line "/32 host LOCAL".
ADDRESSES = Path(HOST, "proc/1/net/fib_trie")
IPV6_ADDRESSES = Path("/proc/net/if_inet6")
# Loopback is let through before; these are private, link-local, shared, for tests or for groups.
CLOSED = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)


def host_addresses() -> list[str]:
    found = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", ADDRESSES.read_text())
    return sorted(set(found))


def rules(run_network: str, resolvers: list[str]) -> str:
    lines = ["*filter", ":INPUT ACCEPT", ":OUTPUT ACCEPT", "-A OUTPUT -o lo -j ACCEPT"]
    lines.append(f"-A OUTPUT -d {run_network} -j ACCEPT")
    for resolver in resolvers:
        for protocol in ("udp", "tcp"):
            lines.append(f"-A OUTPUT -d {resolver} -p {protocol} --dport 53 -j ACCEPT")
    for closed in (*CLOSED, *host_addresses()):
        lines.append(f"-A OUTPUT -d {closed} -j REJECT")
    return "\n".join([*lines, "COMMIT", ""])


def main() -> None:
    if IPV6_ADDRESSES.exists():
        lines = IPV6_ADDRESSES.read_text().splitlines()
        if any(not line.rstrip().endswith(" lo") for line in lines):
            sys.exit("The container has an IPv6 address, which nothing closes.")
    text = rules(sys.argv[1], sys.argv[2:])
    os.chroot(HOST)
    os.chdir("/")
    subprocess.run(["iptables-restore"], input=text.encode(), check=True)


if __name__ == "__main__":
    main()
