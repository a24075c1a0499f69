"""Target: the project, the database and the options of a command, from flags, environment and settings."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from railway_release.config import loading
from railway_release.config.config import Config
from railway_release.config.options import near_misses
from railway_release.errors import InvalidConfiguration, SettingsFailed
from railway_release.postgres.retry import Budget
from railway_release.postgres.session import Connect, Connection
from railway_release.postgres.wait import RetryPolicy, reconnecting
from railway_release.preflight import database
from railway_release.preflight.database import Choice
from railway_release.preflight.project import Project, find, load_settings
from railway_release.preflight.read_pool import ReadPool
from railway_release.runtime import log
from railway_release.runtime.platform import Platform
from railway_release.runtime.redact import redact
from railway_release.runtime.screen import Screen
from railway_release.runtime.signals import Interrupts


@dataclass(frozen=True)
class Invocation:
    """How this process was started, and where it runs."""

    script: Path
    platform: Platform
    run_id: str
    interrupts: Interrupts
    screen: Screen


@dataclass(frozen=True)
class Target:
    """The project and the database that a command works on, with its options and connections."""

    config: Config
    invocation: Invocation
    project: Project
    choice: Choice
    of_settings: Choice  # the connection of the settings, before `choice` replaced it
    retry_policy: RetryPolicy  # for a database that no longer answers
    read_pool: ReadPool

    @property
    def alias(self) -> str:
        """The key of the tenants' database in settings.DATABASES."""
        return self.choice.alias

    @property
    def application(self) -> str:
        """application_name of the connection that migrates; those of others begin with it."""
        return _application_name(self.invocation.run_id)

    def connector(self, purpose: str, *, own_session: bool = True) -> Connect:
        """As database.connector(), with retries; `purpose` ends the application_name."""
        name = f"{self.application} {purpose}"
        connect = database.connector(self.choice, name, own_session=own_session)
        return reconnecting(connect, self.retry_policy)

    def settings_connector(self, purpose: str) -> Connect:
        """The same for the connection of the settings, without retries: it may be unreachable from here."""
        name = f"{self.application} {purpose}"
        return database.connector(self.of_settings, name, own_session=False)


def load(flags: Mapping[str, Any], environ: MutableMapping[str, str], invocation: Invocation) -> Target:
    """Project, settings, configuration and the choice of connection; Django is not set up yet."""
    script, run_id = invocation.script, invocation.run_id
    # A link to the script may lie in the project, or the script itself.
    places = (script.absolute().parent, script.resolve().parent, Path.cwd())
    project = find(flags.get("settings") or "", environ, places)
    settings = _settings(project, environ)
    own = getattr(settings, "RAILWAY_RELEASE", {})
    if not isinstance(own, Mapping):
        raise InvalidConfiguration("settings.RAILWAY_RELEASE must be a dictionary.")
    config = loading.load(flags, environ, own)
    _warn_of_near_misses(environ)
    alias = getattr(settings, "TENANT_DB_ALIAS", "default")
    choice = database.choose(alias, settings.DATABASES, environ, config.database_url, config.public)
    choice = database.with_keepalives(choice, config.peer_timeout)
    redact.show((choice.name, choice.user))
    of_settings = Choice(alias, dict(settings.DATABASES.get(alias) or {}), "settings")
    of_settings = database.with_keepalives(of_settings, config.peer_timeout)
    retry_policy = RetryPolicy(Budget(config.retry_total), config.retry_for)

    reading = f"{_application_name(run_id)} read"

    def connect() -> Connection:
        # The backend may define models, so it cannot be loaded before Django is set up.
        return database.connector(choice, reading, own_session=False)()

    read_pool = ReadPool(connect, retry_policy, config.peer_timeout, invocation.interrupts, reading)
    return Target(config, invocation, project, choice, of_settings, retry_policy, read_pool)


def _application_name(run_id: str) -> str:
    return f"railway-release {run_id}"


def _settings(project: Project, environ: MutableMapping[str, str]) -> Any:
    try:
        settings = load_settings(project, environ)
    except SettingsFailed as failure:
        if database.url_is_empty(environ):
            raise database.unusable_url("DATABASE_URL") from failure
        raise
    redact.learn_named({name: getattr(settings, name) for name in dir(settings) if name.isupper()})
    return settings


def _warn_of_near_misses(environ: Mapping[str, str]) -> None:
    for name, guess in near_misses(Config, environ):
        log.get_logger().warning("variable.unknown", message=f"{name} is not read; did you mean {guess}?")
