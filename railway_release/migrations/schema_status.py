"""Makes the status of every schema from its records and the files, also where these do not fit together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from django.db import router
from django_tenants.routers import TenantSyncRouter

from railway_release.config.config import Config
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import Plan, SchemaPlan
from railway_release.migrations.status import Group, Kind, Misfit, SchemaStatus, Status
from railway_release.postgres.records import Records
from railway_release.topology import Role, Schema, Topology, tenant_connection


def status_of(plan: Plan, records: Records, config: Config) -> Status:
    """The status of the schemas and apps that `config` is about, from a draft of the plan."""
    there, apps = plan.topology, config.app[:1]
    migrations = sorted(plan.graph.in_order(), key=lambda key: key[0])  # stable: each app keeps its order
    unreadable = {one.schema for one in there.unusable}
    schemas = [one for one in plan.schemas if one.schema.name not in unreadable and one.is_chosen_by(config)]
    chosen = tuple(key for key in migrations if key[0] in (apps or (key[0],)))
    return Status(
        groups=_groups(schemas, _SchemaStatuses(records, apps)),
        migrations=chosen,
        kinds=tuple(dict.fromkeys(map(_kind, there.schemas))),
        tables=_tables({app for app, _ in chosen}, there.schemas),
        obstacle=_obstacle(plan),
        misfits=tuple(_misfits(there, config)),
        tenants_known=there.known,
    )


def _obstacle(plan: Plan) -> str:
    shared = plan.shared.schema.name
    unreadable = [one.why for one in plan.topology.unusable if one.schema == shared]
    if conflicts := plan.graph.conflicts():
        return f"conflicting migrations on disk: {conflicts}"
    if unreadable:
        return f"the records of the shared schema cannot be read: {unreadable[0]}"
    gap = plan.shared.cohort.inconsistency
    return f"the shared schema's records are inconsistent: {gap}" if gap else ""


def _misfits(there: Topology, config: Config) -> Iterator[Misfit]:
    everyone = [
        *(Misfit(one.schema, one.kind, one.why) for one in there.unusable),
        *(Misfit(name, "without schema", "a tenant row, but no schema") for name in there.without_schema),
        *(Misfit(name, "without row", "migration records, but no tenant row") for name in there.without_row),
    ]
    return (one for one in everyone if config.includes(one.schema, shared=one.schema == there.shared.name))


class _SchemaStatuses:
    """The distinct statuses, numbered from 0; each history is looked at once."""

    def __init__(self, records: Records, apps: Collection[str]) -> None:
        self._histories = records.histories
        self._apps = apps
        self._numbers: dict[tuple[Key, ...], int] = {}
        self._distinct: dict[SchemaStatus, int] = {}

    def number(self, one: SchemaPlan) -> int:
        """The number of the schema's status."""
        history = self._histories.get(one.schema.name, ())
        if history not in self._numbers:
            status = self._new(one, history)
            self._numbers[history] = self._distinct.setdefault(status, len(self._distinct))
        return self._numbers[history]

    def in_order(self) -> list[SchemaStatus]:
        """The statuses by their numbers."""
        return list(self._distinct)

    def _new(self, one: SchemaPlan, history: Iterable[Key]) -> SchemaStatus:
        graph = one.cohort.graph
        disk = graph.disk_migrations
        replaced = {key for migration in disk.values() for key in migration.replaces}
        # Where the records fit no graph, what is recorded and on disk counts as applied.
        held = graph.held if not one.cohort.inconsistency else {*history} & graph.graph.nodes.keys()
        newer = _newer(history, one.ahead, disk)
        stale = {*history} - disk.keys() - replaced - {*newer}
        return SchemaStatus(
            recorded=self._chosen(sorted({*history})),
            held=frozenset(self._chosen(held)),
            held_in_part=frozenset(self._chosen(graph.held_in_part)),
            pending=self._chosen(one.cohort.to_apply),
            ahead=self._chosen(newer),
            stale=self._chosen(sorted(stale)),
            inconsistency=one.cohort.inconsistency,
        )

    def _chosen(self, keys: Iterable[Key]) -> tuple[Key, ...]:
        return tuple(key for key in keys if not self._apps or key[0] in self._apps)


def _newer(history: Iterable[Key], ahead: Collection[str], disk: Collection[Key]) -> list[Key]:
    """The records after the last one that is on disk, in the apps that are ahead."""
    newer: dict[str, list[Key]] = {app: [] for app in ahead}
    for app, name in history:
        if app in newer:
            newer[app] = [] if (app, name) in disk else [*newer[app], (app, name)]
    return [key for keys in newer.values() for key in sorted(keys)]


def _groups(schemas: Iterable[SchemaPlan], statuses: _SchemaStatuses) -> tuple[Group, ...]:
    found: dict[tuple[Role, str | None, int], list[str]] = {}
    for one in schemas:
        key = (one.schema.role, one.schema.type, statuses.number(one))
        found.setdefault(key, []).append(one.schema.name)
    distinct = statuses.in_order()
    groups = [Group(role, type, tuple(names), distinct[n]) for (role, type, n), names in found.items()]
    order = ("shared", "template", "tenant")
    return tuple(sorted(groups, key=lambda group: (order.index(group.role), -len(group.schemas))))


def _kind(schema: Schema) -> Kind:
    return (schema.role == "shared", schema.type)


def _tables(labels: Iterable[str], schemas: Iterable[Schema]) -> dict[str, tuple[Kind, ...]]:
    """In which kinds of schemas each app has tables; empty if a router is not django-tenants' own.

    Only that one is known to answer alike for all schemas of a kind.
    """
    if not all(type(one) is TenantSyncRouter for one in router.routers):
        return {}
    found: dict[str, tuple[Kind, ...]] = dict.fromkeys(sorted(labels), ())
    connection = tenant_connection()
    for kind, schema in {_kind(schema): schema for schema in schemas}.items():
        connection.set_schema(schema.name, tenant_type=schema.type)
        for app in found:
            if router.allow_migrate(connection.alias, app):
                found[app] += (kind,)
    connection.set_schema_to_public()
    return found
