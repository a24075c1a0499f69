"""Migrate the shared schema and every tenant schema of a django-tenants project, safely."""

__version__ = "0.1.0"
