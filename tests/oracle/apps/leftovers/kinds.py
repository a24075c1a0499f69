# What a migration can leave behind in its session, and what would be seen of it in the next schema's.
LEAVE = {
    "setting": "SET leftovers.mark = 'set'",
    "style": "SET DateStyle = 'ISO, DMY'",
    "timeout": "SET statement_timeout = '1h'",
    "path": "SET search_path = public",
    "table": "CREATE TEMPORARY TABLE leftovers_mark (id bigserial, text text)",
    "statement": "PREPARE leftovers_count AS SELECT 1",
    "cursor": "DECLARE leftovers_cursor CURSOR WITH HOLD FOR SELECT 1",
    "channel": "LISTEN leftovers_channel",
    "lock": "SELECT pg_advisory_lock(4712)",
    "role": "SELECT set_config('role', current_user, false)",
    "memory": "SET work_mem = '5MB'",
}
LOOK = {
    "setting": "SELECT coalesce(current_setting('leftovers.mark', true), 'nothing')",
    "style": "SELECT (date '01/02/2026')::text",
    "timeout": "SELECT current_setting('statement_timeout')",
    "path": "SELECT current_setting('search_path')",
    "table": "SELECT count(*)::text FROM pg_class WHERE relpersistence = 't' AND pg_table_is_visible(oid)",
    "statement": "SELECT count(*)::text FROM pg_prepared_statements WHERE name LIKE 'leftovers%'",
    "cursor": "SELECT count(*)::text FROM pg_cursors WHERE name LIKE 'leftovers%'",
    "channel": "SELECT count(*)::text FROM pg_listening_channels()",
    "lock": "SELECT count(*)::text FROM pg_locks WHERE pid = pg_backend_pid() AND objid = 4712",
    "role": "SELECT (current_setting('role') = 'none')::text",
    "memory": "SELECT current_setting('work_mem')",
}
