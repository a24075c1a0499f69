"""A server with few lock slots, and more tenants than it has room for the locks of."""

from collections.abc import Iterator
from contextlib import contextmanager

from .server import server_with

# Each has a key to the users on a table with nine indexes: 1500 locks. The server promises 200 and has some
# hundreds more.
MORE = 150
TENANTS = f"""
DO $$ DECLARE t text; BEGIN FOR n IN 1..{MORE} LOOP
    EXECUTE format('CREATE SCHEMA t%s', n);
    FOREACH t IN ARRAY ARRAY['django_migrations', 'buildings_building', 'buildings_buildingmembership'] LOOP
        EXECUTE format('CREATE TABLE t%s.%I (LIKE athena.%2$I INCLUDING ALL)', n, t);
    END LOOP;
    FOR i IN 1..6 LOOP
        EXECUTE format('CREATE INDEX ON t%s.buildings_buildingmembership (role)', n);
    END LOOP;
    EXECUTE format('ALTER TABLE t%s.buildings_buildingmembership ADD CONSTRAINT user_of_t%1$s'
        ' FOREIGN KEY (user_id) REFERENCES public.users_user DEFERRABLE INITIALLY DEFERRED', n);
    INSERT INTO tenants_client (schema_name, name, created_at) VALUES ('t' || n, 't', now());
    COMMIT;
END LOOP; END $$
"""


@contextmanager
def tight_server() -> Iterator[str]:
    """Its manual's formula gives 200 slots; it has some more, for processes of its own."""
    with server_with(max_connections="20", max_locks_per_transaction="10") as url:
        yield url
