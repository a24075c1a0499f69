"""Repairs: what would mend a schema, doing it, and the proof that a migration's work is there."""
