"""What the user's own Django project imports; nothing else in this package imports it."""
