from django.http import HttpRequest, JsonResponse

from .models import Announcement


def index(request: HttpRequest) -> JsonResponse:
    newest = Announcement.objects.order_by("-pinned", "-published_at")
    return JsonResponse({"announcements": list(newest.values("title", "body", "pinned"))})
