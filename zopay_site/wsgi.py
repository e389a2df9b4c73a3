"""What the web server runs."""

from __future__ import annotations

import os
from threading import Thread

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zopay_site.settings")
application = get_wsgi_application()

# Models can be imported only now. A database that was restored is noticed before the first
# execute, if the journals are on this host; workers notice it wherever they are.
from engine.payouts.fence import check_at_start  # noqa: E402

# In a thread, whose database connection is its own and ends with it.
_check = Thread(target=check_at_start, name="fence")
_check.start()
_check.join()
