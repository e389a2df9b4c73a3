"""What the web server runs."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

# Nudges are published from here, so Celery has to know its broker.
from zopay_site.celery import app as celery_app

__all__ = ["application", "celery_app"]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zopay_site.settings")
application = get_wsgi_application()
