"""Planning what repairs a schema, doing it, and proving that a migration's work is there."""
