from django.contrib.postgres.operations import CryptoExtension


class CryptoWhereAvailable(CryptoExtension):
    """A project's own operation: some builds of PostgreSQL come without pgcrypto."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        """Ask the server first."""
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", [self.name])
            available = cursor.fetchone()
        if available:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
