"""The circumstances: machine, versions and date."""

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.cluster import Cluster

_PACKAGES = ("Django", "django-tenants", "psycopg", "psycopg2", "psycopg2-binary")
_PEERS = ("django-tenants-smart-executor", "django-pgschemas")
_SETTINGS = ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size")
_GIGABYTE = 1024**3


def circumstances(cluster: Cluster, jobs: int) -> list[str]:
    """What the numbers depend on, one line each."""
    return [
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"{os.cpu_count()} cores of {_processor()}, {_memory() / _GIGABYTE:.0f} GB of memory",
        f"{platform.system()} {platform.release()}; client and server on the same machine",
        f"Python {platform.python_version()}, {_versions(_PACKAGES)}",
        f"PostgreSQL {cluster.sql('SHOW server_version')}, default settings: {_settings(cluster)}",
        f"peers: {_versions(_PEERS) or 'none installed'}",
        f"--jobs {jobs} where several are compared",
    ]


def _settings(cluster: Cluster) -> str:
    return ", ".join(f"{name} {cluster.sql(f'SHOW {name}')}" for name in _SETTINGS)


def _versions(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {found}" for name in names if (found := _version(name)))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
