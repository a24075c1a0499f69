from django.db import models


class Loud(models.Manager):
    """Goes into the migrations, so historical models have it."""

    use_in_migrations = True

    def shout(self):
        """How many there are, loudly."""
        return f"{self.count()}!"
