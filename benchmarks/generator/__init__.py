"""Writes a django-tenants project of a given width, with a history and with releases yet to come."""
