"""The embedded Postgres: made once, then run in the foreground by the supervisor."""

import shutil
import subprocess
import time
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from vivaria.config import Config
from vivaria.embedded import places
from vivaria.errors import VivariaError

NAME = "vivaria"

# Durable as Postgres is by default; sized for one machine that also runs the containers.
TUNING = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    # Filling each new segment with zeros first held up every commit for 40 ms, once a second under
    # load (p99 of bench/ingest). A commit is as durable without.
    "wal_init_zero": "off",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    # Its workers are three more processes, for disks faster than what we write.
    "io_method": "sync",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "2s",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}


class PostgresFailed(VivariaError):
    """The embedded Postgres could not be made or reached."""


def make(config: Config) -> Path:
    """Make the database cluster if there is none; return its directory.

    Raises:
        PostgresFailed: with what initdb said, or where the data is of another version.
    """
    data = places.make_postgres_home(config)
    if (data / "PG_VERSION").exists():
        _check_version(data)
        _forget_the_dead(data, places.make_socket_dir(config))
        return data
    account = places.account_of(config)
    # Renamed when whole, so a set-up that was killed leaves nothing that looks like data.
    fresh = data.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if account:
        shutil.chown(fresh, account.uid, account.gid)
    done = subprocess.run(
        [places.programs(config) / "initdb", "-D", fresh, "-U", NAME, "--auth=trust",
         "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"],
        check=False, capture_output=True, text=True, cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )  # fmt: skip
    if done.returncode != 0:
        raise PostgresFailed(f"initdb failed in {fresh}: {(done.stderr or done.stdout).strip()}")
    if data.exists():
        data.rmdir()
    fresh.rename(data)
    return data


def command(config: Config) -> list[str]:
    """Argv of the server, to be run in the foreground by the services' account."""
    settings = TUNING | {
        "unix_socket_directories": str(places.make_socket_dir(config)),
        "cluster_name": f"vivaria-{config.instance}",
    }
    program = str(places.programs(config) / "postgres")
    data = str(places.make_postgres_home(config))
    return [program, "-D", data, *(part for pair in settings.items() for part in _option(*pair))]


def wait_until_ready(config: Config, *, timeout_s: float) -> None:
    """Wait for the server and make sure that it has our database.

    Raises:
        PostgresFailed: no answer in time.
    """
    end = time.monotonic() + timeout_s
    where = str(places.make_socket_dir(config))
    while True:
        try:
            with psycopg.connect(
                host=where, dbname="postgres", user=NAME, autocommit=True, connect_timeout=2
            ) as connection:
                _ensure_database(connection)
                return
        except psycopg.OperationalError as error:
            if time.monotonic() > end:
                raise PostgresFailed(
                    f"Postgres does not answer in {where} after {timeout_s:.0f} s: {error}"
                ) from error
        time.sleep(0.05)


def _ensure_database(connection: psycopg.Connection) -> None:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
        return
    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))


def _option(name: str, value: str) -> tuple[str, str]:
    return "-c", f"{name}={value}"


def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != places.POSTGRES_VERSION:
        raise PostgresFailed(
            f"The data in {data} are of PostgreSQL {found}, the programs of "
            f"{places.POSTGRES_VERSION}. Dump them with the older programs and load them here."
        )


def _forget_the_dead(data: Path, sockets: Path) -> None:
    """Remove the lock files of a server that is gone, whose number another process has by now."""
    for lock in (data / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
        try:
            pid = int(lock.read_text().split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            continue
        if not is_postgres(pid):
            lock.unlink(missing_ok=True)


def is_postgres(pid: int) -> bool:
    try:
        return psutil.Process(pid).name() == "postgres"
    except psutil.NoSuchProcess:
        return False
