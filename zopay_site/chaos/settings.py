"""The house's settings with shorter times, so that bin/chaos need not wait; nothing else.

With CHAOS_MUTATION in the environment the workers also get one wrong way of paying, out of
mutations.py; bin/chaos must then find it out.
"""

from __future__ import annotations

import os

from zopay_site.settings import *  # noqa: F403
from zopay_site.settings import CELERY_BEAT_SCHEDULE as WHOLE_SCHEDULE

CHAOS_MUTATION = os.environ.get("CHAOS_MUTATION", "")

SWEEP_SECONDS = 0.2
LEASE_SECONDS = 2
LEASE_ROWS = 20
LOOK_UP_SECONDS = 0.5
RESUBMIT_SECONDS = 2.0
CHAIN_WATCH_SECONDS = 0.5
EVM_BUMP_SECONDS = 1.5
RPC_TIMEOUT_SECONDS = 2.0
RATE_LIMIT_PER_MINUTE = 10_000_000
CHECK_LEDGER_SECONDS = 20
QUOTE_TTL_SECONDS = 60

OFTEN = {
    "drain due payouts": SWEEP_SECONDS,
    "check the ledger": CHECK_LEDGER_SECONDS,
}
# Nobody here has asked for webhooks.
CELERY_BEAT_SCHEDULE = {
    name: entry | ({"schedule": OFTEN[name]} if name in OFTEN else {})
    for name, entry in WHOLE_SCHEDULE.items()
    if not str(entry["task"]).startswith("webhooks.")
}
