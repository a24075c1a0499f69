"""The two engines that apply migrations: compiled plans, and django-tenants' own migrate command."""
