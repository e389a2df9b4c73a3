"""Brings the tables up to date and makes the demo; prints the demo as JSON.

`manage.py migrate` and `manage.py bootstrap_demo --json` would do the same, but would
load the whole house twice and check it three times, while somebody waits for bin/up.
"""

from __future__ import annotations

import django
from django.core.management import call_command

if __name__ == "__main__":
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("bootstrap_demo", "--json")
