"""What can be wrong with a tenant, and be repaired: how it is done by hand, and what is found."""

from dataclasses import dataclass

RULE, LEAF = "announcements_rule", "announcements_leaf"
MEMBERSHIP, AUDIENCE = "buildings_buildingmembership", "announcements_announcement_audience"
ROW = f"INSERT INTO {RULE} (id, code, title, rank, data, document)"
ONE = f"{ROW} VALUES (41, 'a', 'b', 1, '{{}}', gen_random_uuid());"
EVERY_FOREIGN_KEY = """
DO $do$ BEGIN EXECUTE (
    SELECT string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), ';')
    FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
); END $do$
"""
TO_ANOTHER_TENANT = f"""
DO $do$ DECLARE name text; BEGIN
    SELECT conname INTO name FROM pg_constraint
        WHERE conrelid = '{MEMBERSHIP}'::regclass AND confrelid = 'buildings_building'::regclass;
    EXECUTE format('ALTER TABLE {MEMBERSHIP} DROP CONSTRAINT %I, ADD CONSTRAINT %I'
        ' FOREIGN KEY (building_id) REFERENCES athena.buildings_building DEFERRABLE INITIALLY DEFERRED',
        name, name);
END $do$
"""
# As before Django 4.1; its default is gone.
SERIAL = f"{ONE} ALTER TABLE {RULE} ALTER id DROP IDENTITY;CREATE SEQUENCE {RULE}_id_seq OWNED BY {RULE}.id"


@dataclass(frozen=True)
class Cause:
    """What is done to a tenant, and what is to be repaired there."""

    sql: str
    mends: tuple[str, ...]  # ids and objects
    diagnosis: str = ""  # doctor's, where it is none of those ids


CAUSES = {
    "nullable_column": Cause(f"{ONE} ALTER TABLE {RULE} DROP amount", (f"column.missing {RULE}.amount",)),
    "defaulted_column": Cause(f"{ONE} ALTER TABLE {RULE} DROP data", (f"column.missing {RULE}.data",)),
    "database_default": Cause(f"{ONE} ALTER TABLE {RULE} DROP kept", (f"column.missing {RULE}.kept",)),
    "generated_column": Cause(f"{ONE} ALTER TABLE {RULE} DROP twice", (f"column.missing {RULE}.twice",)),
    "unique_column": Cause(f"ALTER TABLE {RULE} DROP code", (f"column.missing {RULE}.code",)),
    "required_column": Cause(
        f"ALTER TABLE {RULE} DROP document, DROP rank CASCADE",
        tuple(f"column.missing {RULE}.{name}" for name in ("document", "rank", "twice")),
    ),
    "key_columns": Cause(
        f"ALTER TABLE {LEAF} DROP rule_id, DROP twin_id, DROP owner_id",
        tuple(f"column.missing {LEAF}.{name}" for name in ("owner_id", "rule_id", "twin_id")),
    ),
    "id_column": Cause(
        f"ALTER TABLE {RULE} DROP id CASCADE",
        (f"column.missing {RULE}.id", f"foreign_key.missing {LEAF}(rule_id)"),
    ),
    "primary_key": Cause(
        f"ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_pkey CASCADE",
        (f"foreign_key.missing {LEAF}(rule_id)", f"key.missing {RULE}(id)"),
    ),
    "unique_rules": Cause(
        f"ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_code_key, DROP CONSTRAINT rule_once;"
        "DROP INDEX rule_document",
        tuple(f"unique.missing {RULE}({names})" for names in ("code", "document", "rank, title")),
    ),
    "checks": Cause(
        f"ALTER TABLE {RULE} DROP CONSTRAINT rule_rank, DROP CONSTRAINT {RULE}_rank_check",
        (f"check.missing {RULE}", f"check.missing {RULE}.rule_rank"),
    ),
    "another_check": Cause(
        f"ALTER TABLE {RULE} DROP CONSTRAINT rule_rank, ADD CONSTRAINT rule_rank CHECK (rank < 50)",
        (f"check.other {RULE}.rule_rank",),
    ),
    "foreign_keys": Cause(
        EVERY_FOREIGN_KEY,
        (
            *(f"foreign_key.missing {AUDIENCE}({name}_id)" for name in ("announcement", "building")),
            *(f"foreign_key.missing {LEAF}({name}_id)" for name in ("owner", "rule", "twin")),
            *(f"foreign_key.missing {MEMBERSHIP}({name}_id)" for name in ("building", "user")),
        ),
    ),
    "key_to_another_tenant": Cause(TO_ANOTHER_TENANT, (f"foreign_key.elsewhere {MEMBERSHIP}(building_id)",)),
    "indexes": Cause(
        "DROP INDEX rule_ranks, rule_titles, rule_kept, rule_documents, membership_building_role",
        (
            f"index.missing {RULE}(document)",
            f"index.missing {RULE}(rank)",
            f"index.missing {RULE}(rank, amount DESC)",
            f"index.missing {RULE}(upper((title)::text))",
            f"index.missing {MEMBERSHIP}(building_id, role)",
        ),
    ),
    "no_default": Cause(f"ALTER TABLE {RULE} ALTER kept DROP DEFAULT", (f"column.default {RULE}.kept",)),
    "another_default": Cause(
        f"ALTER TABLE {RULE} ALTER kept SET DEFAULT false", (f"column.default {RULE}.kept",)
    ),
    "identity": Cause(f"{ONE} ALTER TABLE {RULE} ALTER id DROP IDENTITY", (f"column.uncounted {RULE}.id",)),
    "serial": Cause(SERIAL, (f"column.uncounted {RULE}.id",)),
    "no_not_null": Cause(f"ALTER TABLE {RULE} ALTER data DROP NOT NULL", (f"column.null {RULE}.data",)),
    "one_not_null": Cause(f"ALTER TABLE {RULE} ALTER amount SET NOT NULL", (f"column.null {RULE}.amount",)),
    "unchecked": Cause(
        f"ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_rank_check,"
        f" ADD CONSTRAINT {RULE}_rank_check CHECK (rank >= 0) NOT VALID",
        (f"constraint.unchecked {RULE}.{RULE}_rank_check",),
    ),
    "ghost": Cause("DROP TABLE buildings_building CASCADE", ("table.ghost buildings_building",)),
    "ghosts": Cause(f"DROP TABLE {RULE}, {LEAF} CASCADE", (f"table.ghost {LEAF}", f"table.ghost {RULE}")),
    "masked": Cause(
        "ALTER TABLE announcements_announcement SET SCHEMA public",
        (
            f"foreign_key.elsewhere {AUDIENCE}(announcement_id)",
            "table.masked announcements_announcement",
        ),
    ),
    "unrecorded_field": Cause(
        "DELETE FROM django_migrations WHERE name = '0007_kept'", (), "migration.unrecorded"
    ),
    "unrecorded_model": Cause(
        "DELETE FROM django_migrations WHERE name IN ('0006_leaf', '0007_kept')", (), "migration.unrecorded"
    ),
    "unrecorded_app": Cause(
        "DELETE FROM django_migrations WHERE app = 'announcements'", (), "migration.unrecorded"
    ),
}
