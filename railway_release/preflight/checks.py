"""The preconditions of a release: connect to the database, set Django up, check both. Writes nothing."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import connections, router
from django.db.backends.base.base import RAN_DB_VERSION_CHECK
from django_tenants.routers import TenantSyncRouter
from django_tenants.utils import get_public_schema_name, get_tenant_model

from railway_release.errors import (
    InvalidConfiguration,
    KeysUnreachable,
    NotDjangoTenants,
    PoolerFound,
    PreflightError,
    ServerUnsupported,
)
from railway_release.naming import split_table
from railway_release.postgres.session import quote
from railway_release.postgres.wait import wait_for_database
from railway_release.preflight import database, login, references
from railway_release.preflight.project import import_callable, set_up
from railway_release.preflight.routing import belongs, in_shared, tenant_kinds
from railway_release.preflight.target import Target
from railway_release.runtime import log
from railway_release.runtime.waiting import told
from railway_release.topology import tenant_connection

_OTHER_ENGINES = {f"django.db.backends.{name}" for name in ("dummy", "mysql", "oracle", "sqlite3")}


def connect(target: Target) -> None:
    """Set Django up with the chosen connection, and wait for the database before its first use.

    Raises a PreflightError or an InvalidConfiguration if either cannot be used.
    """

    @functools.cache
    def wait() -> None:
        host, seconds = target.choice.host, target.config.connect_timeout
        with told(f"waiting for the database at {host or 'the local socket'}"):
            target.read_pool.begin(
                lambda connect: wait_for_database(connect, host, target.invocation.platform, seconds)
            )
        if target.config.pooler == "session" or not target.read_pool.server.pooled:
            login.lift_timeouts(target.alias)

    _log_choice(target.choice)
    _check_engine(target.choice)
    # Before django.setup(), since that may itself need the database, and again after it, since an app's
    # ready() may change settings.
    database.apply(target.choice, settings.DATABASES, target.application)
    with database.before_first_use(target.alias, wait), told("the project's apps are being loaded"):
        set_up()
    wait()
    log.take_over_stdlib(target.config.log_level)
    database.apply(target.choice, settings.DATABASES, target.application)
    if not target.read_pool.server.pooled:
        database.connect_in_time_zone(connections[target.alias])
    _check_project(target.alias)
    _check_hook(target.config.backup_hook)


def check_server(target: Target) -> None:
    """Raise a PreflightError unless Django supports the server, and it is the one of the settings."""
    _check_version(target.read_pool.server.version, target.alias)
    if not target.choice.from_settings:
        own = target.settings_connector("check")
        table = _tenant_table()
        target.read_pool.read(
            lambda connection: database.check_same_database(
                target.choice, target.of_settings, connection, own, table
            )
        )


def check_writable(target: Target) -> None:
    """Raise a PreflightError unless the release may write: no pooler, a primary, no system check errors."""
    if target.config.pooler != "session" and target.read_pool.server.pooled:
        raise PoolerFound(
            f"A connection pooler stands between this process and the server (URL from "
            f"{target.choice.why}). In transaction mode a statement may run in another tenant's schema.",
            "Set RELEASE_DATABASE_URL or DATABASE_UNPOOLED_URL to a direct connection, or, if the "
            "pooler runs in session mode, RELEASE_POOLER=session.",
        )
    login.check(target)
    _check_references(target)
    _run_system_checks(target.alias)


def _check_references(target: Target) -> None:
    """Raise KeysUnreachable if the shared schema cannot be migrated, since a key leads to tenants' tables."""
    keys = [one for one in references.unreachable() if one.home.role == "shared"]
    if keys and (unmade := target.read_pool.read(lambda connection: references.unmade(connection, keys))):
        listed = "; ".join(one.in_words for one in unmade)
        raise KeysUnreachable(f"{listed}.", f"One of two ways out: {unmade[0].ways_out}.")


def _log_choice(choice: database.Choice) -> None:
    log.get_logger().info(
        "connection.chosen",
        message=f"database {choice.where} (from {choice.why})",
        host=choice.host,
        port=choice.port,
        database=choice.name,
        why=choice.why,
    )


def _check_engine(choice: database.Choice) -> None:
    """Raise NotDjangoTenants for the engine of another database, before PostgreSQL is waited for."""
    engine = str(choice.entry.get("ENGINE", ""))
    if not engine or engine in _OTHER_ENGINES:
        raise NotDjangoTenants(
            f"DATABASES[{choice.alias!r}]['ENGINE'] is {engine or 'empty'}.",
            "django-tenants needs django_tenants.postgresql_backend.",
        )


def _check_project(alias: str) -> None:
    """Raise NotDjangoTenants unless backend, model and router are django-tenants' or derive from them."""
    mistakes = []
    if not hasattr(connections[alias], "set_schema"):
        mistakes.append(f"DATABASES[{alias!r}]['ENGINE'] is not django_tenants.postgresql_backend")
    if not any(isinstance(one, TenantSyncRouter) for one in router.routers):
        mistakes.append("DATABASE_ROUTERS holds no django_tenants.routers.TenantSyncRouter")
    try:
        # A module with models can be imported only after django.setup(), and this one reads TENANT_MODEL.
        from django_tenants.models import TenantMixin  # noqa: PLC0415

        if not issubclass(get_tenant_model(), TenantMixin):
            mistakes.append("TENANT_MODEL is not made from django_tenants.models.TenantMixin")
    except (AttributeError, LookupError, ValueError) as error:
        named = getattr(settings, "TENANT_MODEL", "nothing")
        mistakes.append(f"TENANT_MODEL names {named}, which is no model ({error})")
    if mistakes:
        raise NotDjangoTenants("; ".join(mistakes) + ".", "See django-tenants' installation guide.")


def _check_hook(path: str) -> None:
    try:
        _ = path and import_callable(path)
    except ValueError as mistake:
        raise InvalidConfiguration(f"The backup hook is of no use: {mistake}.") from mistake


def _tenant_table() -> str:
    schema, table = split_table(get_tenant_model()._meta.db_table)
    return f"{quote(schema or get_public_schema_name())}.{quote(table)}"


def _check_version(number: int, alias: str) -> None:
    minimum = connections[alias].features.minimum_database_version or (0,)
    if number // 10000 < minimum[0]:
        raise ServerUnsupported(
            f"The server is PostgreSQL {number // 10000}; this Django needs {minimum[0]} or newer.",
            "Upgrade the database service, or stay on the Django version that supports it.",
        )
    # Django would ask again when it connects, outside a transaction, and django-tenants would leave its
    # search_path behind on a pooled server connection.
    RAN_DB_VERSION_CHECK.add(alias)


def _run_system_checks(alias: str) -> None:
    """Run the checks that `migrate` runs, once for each kind of schemas instead of once for each tenant."""
    with told("Django's system checks are running"):
        found = [*checks.run_checks(databases=[alias]), *_checks_of_tenants(alias)]
    errors = [m for m in found if m.is_serious() and not m.is_silenced()]
    if errors:
        listed = "\n".join(dict.fromkeys(str(message) for message in errors))
        raise PreflightError(
            f"Django's system checks found errors:\n{listed}", "`python manage.py check` shows the same."
        )


def _checks_of_tenants(alias: str) -> Iterator[checks.CheckMessage]:
    """Those of models that only tenants have: checks of the database go by what the routers allow."""
    connection = tenant_connection()
    for kind in tenant_kinds():
        models = (one for one in apps.get_models() if belongs(one, kind) and not in_shared(one))
        configs = dict.fromkeys(one._meta.app_config for one in models)
        connection.set_schema(kind.name, tenant_type=kind.type)
        yield from checks.run_checks([*configs], tags=[checks.Tags.models], databases=[alias])
    connection.set_schema_to_public()
