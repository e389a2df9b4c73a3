"""Brings the tables up to date, settles in on local chains and makes the demo, as JSON.

`manage.py migrate` and `manage.py bootstrap_demo --json` would do the same, but would
load the whole house twice and check it three times, while somebody waits for bin/up.
"""

from __future__ import annotations

import json
import sys

import django
from django.core.management import call_command

from zopay_site.embedded.say import STOPPED, Stop


def main(operator_url: str = "") -> int:
    """The status to leave with: 0, or STOPPED with a sentence and what to do as the JSON.

    `operator_url` is where bin/up simulates a mobile-money operator, if it does.
    """
    django.setup()
    # Models can be imported only now.
    from django.conf import settings

    from engine.payouts import fence
    from zopay_site.embedded import mtn
    from zopay_site.embedded.settle_in import settle_in

    call_command("migrate", interactive=False, verbosity=0)
    # Before anything is open: has this database been restored?
    fence.check()
    try:
        settle_in()
        if operator_url:
            mtn.join(operator_url, public_url=settings.ZOPAY_PUBLIC_URL)
    except Stop as stop:
        print(json.dumps([stop.sentence, stop.then]))
        return STOPPED
    call_command("bootstrap_demo", "--json")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
