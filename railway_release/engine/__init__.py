"""What brings schemas to their plan: our own engine, and django-tenants' machinery."""
