"""Chooses the connection of the release, from the settings or a URL, and opens it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from railway_release.errors import DatabaseUrlUnusable, OtherDatabase
from railway_release.postgres.server import LIFT_TIMEOUTS
from railway_release.postgres.session import Connect, Connection, fetch
from railway_release.preflight.project import blaming_the_project
from railway_release.preflight.read_pool import prepare
from railway_release.runtime.log import get_logger
from railway_release.runtime.redact import redact

_PUBLIC_VARIABLES = ("DATABASE_PUBLIC_UNPOOLED_URL", "DATABASE_PUBLIC_URL")
_CONNECT_TIMEOUT_SECONDS = 5
_PROBES = 4  # of TCP keepalive, until a connection without an answer counts as lost


@dataclass(frozen=True)
class Choice:
    """The connection of this release, as a Django DATABASES entry, and why this one."""

    alias: str
    entry: dict[str, Any]
    why: str

    @property
    def host(self) -> str:
        """Host name; empty for the local socket."""
        return str(self.entry.get("HOST") or self.entry.get("OPTIONS", {}).get("host", ""))

    @property
    def name(self) -> str:
        """Database name."""
        return str(self.entry.get("NAME") or self.entry.get("OPTIONS", {}).get("dbname", ""))

    @property
    def user(self) -> str:
        """Name of the role that logs in."""
        return str(self.entry.get("USER") or self.entry.get("OPTIONS", {}).get("user", ""))

    @property
    def port(self) -> str:
        """Port, as text."""
        return str(self.entry.get("PORT") or self.entry.get("OPTIONS", {}).get("port", "") or 5432)

    @property
    def where(self) -> str:
        """Host, port and name, as people are told."""
        return f"{self.host or 'local socket'}:{self.port}/{self.name}"

    @property
    def from_settings(self) -> bool:
        """Whether it is the connection of the settings, unchanged."""
        return self.why == "settings"


def choose(
    alias: str, databases: Mapping[str, Any], environ: Mapping[str, str], release_url: str, public: bool
) -> Choice:
    """The first of: RELEASE_DATABASE_URL, with --public the public URLs, DATABASE_UNPOOLED_URL, settings.

    Raises DatabaseUrlUnusable for an empty or unresolved URL.
    """
    entry = dict(databases.get(alias) or {})
    variables = {"RELEASE_DATABASE_URL": release_url}
    variables |= {
        name: environ.get(name, "") for name in (_PUBLIC_VARIABLES if public else ("DATABASE_UNPOOLED_URL",))
    }
    for variable, url in variables.items():
        if url:
            return Choice(alias, _with_url(entry, url, variable), variable)
    if public:
        raise DatabaseUrlUnusable(
            f"--public needs {' or '.join(_PUBLIC_VARIABLES)}, and neither is set.",
            "Add public access to the database service, or use `railway connect postgres --tunnel-only`.",
        )
    unresolved = "${{" in environ.get("DATABASE_URL", "")
    empty = bool(environ.get("RAILWAY_ENVIRONMENT_NAME")) and url_is_empty(environ)
    if unresolved or empty or not _names_database(entry):
        raise unusable_url("DATABASE_URL" if url_is_empty(environ) else f"settings.DATABASES[{alias!r}]")
    return Choice(alias, entry, "settings")


def with_keepalives(choice: Choice, seconds: float) -> Choice:
    """The same connection with TCP keepalives, so that a lost server is noticed after so many seconds.

    What the user has in OPTIONS, or in the URL, stays. Local sockets ignore these options.
    """
    interval = max(1, round(seconds / (2 * _PROBES)))
    bounds = {
        "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
        "keepalives": 1,
        "keepalives_idle": max(1, round(seconds) - interval * _PROBES),
        "keepalives_interval": interval,
        "keepalives_count": _PROBES,
        "tcp_user_timeout": round(seconds * 1000),
    }
    if not seconds:
        bounds = {"connect_timeout": _CONNECT_TIMEOUT_SECONDS}
    options = bounds | (choice.entry.get("OPTIONS") or {})
    return replace(choice, entry=choice.entry | {"OPTIONS": options})


def apply(choice: Choice, databases: dict[str, Any], application: str) -> None:
    """Put the choice into settings.DATABASES, in place: Django's connections share that dictionary."""
    entry = dict(choice.entry)
    # psycopg's pool has threads and other sessions; the release needs exactly one connection at a time.
    options = {key: value for key, value in entry.get("OPTIONS", {}).items() if key != "pool"}
    entry["OPTIONS"] = options | {"application_name": application}
    databases[choice.alias].update(entry)
    redact.learn_named({"DATABASES": databases})


def connect_in_time_zone(wrapper: BaseDatabaseWrapper) -> None:
    """Set Django's time zone in the connection options; otherwise it would send a statement for that."""
    options = wrapper.settings_dict["OPTIONS"]
    # Options in a service or in PGOPTIONS must not be overridden. Poolers do not take options.
    if "service" not in options and not {"PGOPTIONS", "PGSERVICE"} & os.environ.keys():
        zone = f"-c TimeZone={wrapper.timezone_name}"
        wrapper.settings_dict["OPTIONS"] = options | {
            "options": f"{options.get('options', '')} {zone}".strip()
        }


def connector(choice: Choice, application: str, *, own_session: bool = True) -> Connect:
    """A function that opens a driver connection in autocommit, through the project's own backend.

    The backend knows the driver and the parameters, and may fetch a token each time. Its module may define
    models, so Django has to be set up before. In a session of our own the timeouts that are set for the role
    or the database are lifted; one that a pooler may give to others is left as it is.
    """
    unwanted = ("pool", "isolation_level")
    options = {key: one for key, one in (choice.entry.get("OPTIONS") or {}).items() if key not in unwanted}
    entry = ConnectionHandler({"default": choice.entry | {"OPTIONS": options}}).settings["default"]
    wrapper = _backend(entry["ENGINE"]).DatabaseWrapper(entry, choice.alias)
    role = entry["OPTIONS"].get("assume_role")

    def connect() -> Connection:
        parameters = wrapper.get_connection_params()
        connection = wrapper.get_new_connection(parameters | {"application_name": application})
        connection.autocommit = True
        if own_session:
            fetch(connection, LIFT_TIMEOUTS)
        if role:
            connection.cursor().execute(f"SET ROLE {wrapper.ops.quote_name(role)}")
        return cast("Connection", connection)

    return connect


@contextlib.contextmanager
def before_first_use(used: str, act: Callable[[], object]) -> Iterator[None]:
    """While entered, `act` is called before Django connects to the database `used`, if it does.

    Setting Django up connects for PG_EXTRA_SEARCH_PATHS, or if an app's ready() runs a query; models are
    loaded by then.
    """
    create, made = connections.create_connection, []

    def create_and_act(alias: str) -> BaseDatabaseWrapper:
        if alias == used:
            _backend(str(connections.settings[alias]["ENGINE"]))  # it raises a better message than Django
        connection = create(alias)
        if alias == used:
            connect = connection.connect
            connection.connect = lambda: (act(), connect())  # type: ignore[method-assign, assignment]
            made.append(connection)
        return connection

    connections.create_connection = create_and_act  # type: ignore[method-assign]
    try:
        yield
    finally:
        del connections.create_connection
        for connection in made:
            del connection.connect


def _backend(engine: str) -> Any:
    original = getattr(settings, "ORIGINAL_BACKEND", "")
    named = f"{engine} (ORIGINAL_BACKEND {original})" if original else engine
    with blaming_the_project(f"The database backend {named} could not be loaded"):
        return import_module(f"{engine}.base")


@contextlib.contextmanager
def read_only(connect: Connect) -> Iterator[Connection]:
    """While entered, a read-only connection, closed afterwards."""
    with contextlib.closing(connect()) as connection:
        prepare(connection)
        yield connection


def check_same_database(
    choice: Choice, of_settings: Choice, connection: Connection, own: Connect, tenant_table: str
) -> None:
    """Raise OtherDatabase if the chosen URL leads to another database than the settings.

    `own` opens the connection of the settings. If it cannot, only the names are compared.
    """
    if choice.name != of_settings.name:
        raise OtherDatabase(
            f"{choice.why} names the database {choice.name!r}, the settings name {of_settings.name!r}.",
            f"Point {choice.why} at the same database, or unset it.",
        )
    try:
        with read_only(own) as other:
            identity = _identity(other, tenant_table)
    except Exception:  # noqa: BLE001 - out of reach, whatever the driver calls it
        get_logger().info(
            "connection.not_compared",
            message=f"the settings' own database is out of reach here; {choice.why} was compared by name",
        )
        return
    if identity != _identity(connection, tenant_table):
        raise OtherDatabase(
            f"{choice.why} leads to another server or database than the settings do, of the same name.",
            f"Point {choice.why} at the same database, or unset it.",
        )


def _identity(connection: Connection, tenant_table: str) -> tuple[object, ...]:
    """OIDs of the database and the tenants table, and the server's start: equal only in the same database."""
    (row,) = fetch(
        connection,
        "SELECT d.oid::bigint, to_regclass(%s)::oid::bigint, pg_catalog.pg_postmaster_start_time()::text"
        " FROM pg_catalog.pg_database d WHERE d.datname = current_database()",
        (tenant_table,),
    )
    return row


def with_url(choice: Choice, url: str, variable: str) -> Choice:
    """The connection that this URL leads to, with all else as it is; raises DatabaseUrlUnusable."""
    return Choice(choice.alias, _with_url(choice.entry, url, variable), variable)


def _with_url(entry: Mapping[str, Any], url: str, variable: str) -> dict[str, Any]:
    """The entry with the URL's address; ENGINE, TLS and other options stay."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    name = unquote(parts.path.lstrip("/"))
    query = dict(parse_qsl(parts.query))
    host = unquote(parts.hostname or "") or query.pop("host", "")
    if parts.scheme not in ("postgres", "postgresql", "postgis") or not name or not host:
        raise unusable_url(variable)
    address = {
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port or query.pop("port", "") or ""),
    }
    # The options may name an address, too, and libpq would be given both.
    kept = {k: v for k, v in entry.get("OPTIONS", {}).items() if k not in _ADDRESS_OPTIONS}
    return {**entry, **address, "OPTIONS": kept | query}


_ADDRESS_OPTIONS = {"host", "hostaddr", "port", "dbname", "user", "password", "service", "passfile"}


def _names_database(entry: Mapping[str, Any]) -> bool:
    options = entry.get("OPTIONS") or {}
    return bool(entry.get("NAME") or options.get("dbname") or options.get("service"))


def url_is_empty(environ: Mapping[str, str]) -> bool:
    """Whether DATABASE_URL is set, but without a value, without any part, or an unresolved reference."""
    url = environ.get("DATABASE_URL")
    return url is not None and (not url.partition("://")[2].strip(":@/ ") or "${{" in url)


def unusable_url(variable: str) -> DatabaseUrlUnusable:
    """The error for a variable that should hold a database URL."""
    return DatabaseUrlUnusable(
        f"{variable} is empty or not a complete postgresql:// URL.",
        "On Railway a reference such as ${{Postgres.DATABASE_URL}} resolves to nothing when the service has "
        "another name or lives in another environment; check the variable in the service's settings.",
    )
