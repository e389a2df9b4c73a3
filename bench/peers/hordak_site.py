"""django-hordak behind Django REST framework: one address that moves money once.

Written as their documents show it. Run as a file it makes the tables and the accounts; as
a module it is the WSGI application. It runs in the peers' own environment.
"""

from __future__ import annotations

import os
from typing import Any

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only-for-measuring",  # noqa: S106 - it guards nothing
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "mptt",
        "hordak",
        "rest_framework",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PGDATABASE"],
            "CONN_MAX_AGE": None,
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    DEFAULT_CURRENCY="USD",
    CURRENCIES=["USD"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
)
django.setup()

# Models can be imported only now.
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from hordak.models import Account  # noqa: E402
from moneyed import Money  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

ACCOUNTS = 100


class TransferForm(serializers.Serializer[Any]):
    source = serializers.PrimaryKeyRelatedField(queryset=Account.objects.all())
    target = serializers.PrimaryKeyRelatedField(queryset=Account.objects.all())
    amount = serializers.DecimalField(max_digits=13, decimal_places=2)


class Transfers(APIView):
    def post(self, request: Any) -> Response:
        form = TransferForm(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        moved = asked["source"].transfer_to(asked["target"], Money(asked["amount"], "USD"))
        return Response({"id": str(moved.uuid)}, status=201)


urlpatterns = [
    path("transfers", Transfers.as_view()),
    path("healthz", lambda _request: HttpResponse("ok")),
]


def prepare() -> None:
    """Make the tables, and ACCOUNTS accounts numbered from 1."""
    call_command("migrate", interactive=False, verbosity=0)
    for number in range(ACCOUNTS):
        Account.objects.create(
            name=f"account {number}", type=Account.TYPES.asset, code=number, currencies=["USD"]
        )


if __name__ == "__main__":
    prepare()
else:
    application = get_wsgi_application()
