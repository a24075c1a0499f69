"""Shapes: how wide a tenant of the generated project is. The history is the same for all."""

from dataclasses import dataclass

APPS = 30

# django_migrations, django_content_type and the six tables of django.contrib.auth
_TABLES_OF_DJANGO = 8


@dataclass(frozen=True)
class Shape:
    """The first `tenant_apps` of the apps belong to the tenants, the others to the shared schema."""

    name: str
    tenant_apps: int
    tables_per_app: int
    with_users: bool = True  # content types, permissions and users in every tenant

    @property
    def tables(self) -> int:
        """How many tables a tenant has, not counting the records of a tenant without users."""
        own = self.tenant_apps * self.tables_per_app
        return own + (_TABLES_OF_DJANGO if self.with_users else 0)


WIDE = Shape("wide", tenant_apps=28, tables_per_app=4)  # 120 tables
NARROW = Shape("narrow", tenant_apps=22, tables_per_app=1)  # 30 tables
MODEST = Shape("modest", tenant_apps=12, tables_per_app=1)  # 20 tables
TINY = Shape("tiny", tenant_apps=3, tables_per_app=1, with_users=False)  # 3 tables
