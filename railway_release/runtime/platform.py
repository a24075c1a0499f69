"""The machine, and the deployment that this process belongs to, from Railway's variables.

Variables: https://docs.railway.com/reference/variables
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from railway_release.runtime.program import DEPLOYED, PROGRAM

PRIVATE_SUFFIX = ".railway.internal"

WAYS_OUT = (
    "A private host can only be reached from inside Railway. From elsewhere: "
    f"`railway run {PROGRAM} --public` (needs public access on the database), or "
    "`railway connect postgres --tunnel-only` with RELEASE_DATABASE_URL pointing at the tunnel, or "
    f"`railway ssh -- {DEPLOYED}` (runs the code that is deployed, not yours)."
)


@dataclass(frozen=True)
class Platform:
    """The deployment, from Railway's variables; empty strings on other hosts."""

    project: str
    environment: str
    service: str
    deployment: str
    replica: str
    commit: str

    @property
    def known(self) -> bool:
        """Whether Railway's variables are set, as on Railway itself and under `railway run`."""
        return bool(self.environment)

    @property
    def inside(self) -> bool:
        """Whether this process runs on Railway: `railway run` on a laptop has no deployment of its own."""
        return bool(self.replica or self.deployment)

    def log_fields(self) -> dict[str, str]:
        """The fields of every log line, so that lines can be found by deployment."""
        fields = {
            "deployment": self.deployment,
            "service": self.service,
            "environment": self.environment,
            "commit": self.commit,
        }
        return {name: value for name, value in fields.items() if value}


def platform(environ: Mapping[str, str]) -> Platform:
    """The deployment that these environment variables describe."""
    return Platform(
        project=environ.get("RAILWAY_PROJECT_NAME", ""),
        environment=environ.get("RAILWAY_ENVIRONMENT_NAME", ""),
        service=environ.get("RAILWAY_SERVICE_NAME", ""),
        deployment=environ.get("RAILWAY_DEPLOYMENT_ID", ""),
        replica=environ.get("RAILWAY_REPLICA_ID", ""),
        commit=environ.get("RAILWAY_GIT_COMMIT_SHA", ""),
    )


def cores() -> int:
    """How many of the machine's processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
