from django.db import models

from buildings.models import Building


class Announcement(models.Model):
    title = models.CharField(max_length=200)
    body = models.TextField()
    pinned = models.BooleanField(default=False)
    published_at = models.DateTimeField(auto_now_add=True)
    audience = models.ManyToManyField(Building, blank=True, related_name="announcements")

    def __str__(self) -> str:
        return self.title
