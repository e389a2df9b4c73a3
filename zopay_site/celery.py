"""The Celery application. `bin/up` starts its worker and its beat."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zopay_site.settings")
app = Celery("zopay")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
