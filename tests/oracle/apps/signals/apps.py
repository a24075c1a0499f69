"""Writes down, in each schema, every signal that reaches a project while it migrates."""

import json

from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import post_migrate, pre_migrate
from django_tenants.signals import schema_migrated, schema_pre_migration


class SignalsConfig(AppConfig):
    name = "signals"

    def ready(self):
        """Listen to everything, and to one app alone."""
        pre_migrate.connect(on_migrate("pre_migrate"), weak=False)
        post_migrate.connect(on_migrate("post_migrate"), weak=False)
        post_migrate.connect(on_migrate("post_migrate of signals"), sender=self, weak=False)
        schema_pre_migration.connect(on_schema("schema_pre_migration"), weak=False)
        schema_migrated.connect(on_schema("schema_migrated"), weak=False)


def on_migrate(name):
    """A receiver of Django's signals."""

    def receive(sender, app_config, using, apps, plan, interactive, **more):  # noqa: PLR0917 - Django's
        write(
            connection.schema_name,
            name=name,
            sender=sender.label,
            same=sender is app_config,
            interactive=interactive,
            using=using,
            models=sorted(model._meta.label for model in apps.get_models()),
            plan=[(str(migration), backwards) for migration, backwards in plan],
            operations=[[*names_of(migration)] for migration, _ in plan],
            permissions=permissions_of(sender.label),
            tenant=connection.tenant.schema_name,
            type=str(connection.tenant.get_tenant_type()),
            more=sorted({*more} - {"signal", "stdout"}),
        )

    return receive


def names_of(migration):
    """Its operations; Django adds one of its own after each RenameModel, which is its own business."""
    names = (type(one).__name__ for one in migration.operations)
    return (name for name in names if name != "RenameContentType")


def permissions_of(label):
    """What a receiver would grant to somebody."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f'"{connection.schema_name}".auth_permission'])
        if cursor.fetchone()[0] is None:
            return None
    from django.contrib.auth.models import Permission

    found = Permission.objects.filter(content_type__app_label=label)
    return sorted(found.values_list("codename", flat=True))


def on_schema(name):
    """A receiver of django-tenants' signals."""

    def receive(sender, schema_name, **more):
        write(schema_name, name=name, connected=connection.schema_name, more=sorted({*more} - {"signal"}))

    return receive


def write(schema, **values):
    """A row in the schema in question, if its table is there."""
    table = f'"{schema}".signals_seen'
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
        if cursor.fetchone()[0]:
            cursor.execute(f"INSERT INTO {table} (what) VALUES (%s)", [json.dumps(values, sort_keys=True)])
