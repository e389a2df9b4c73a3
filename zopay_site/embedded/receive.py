"""Runs `webhook_listen` without the house around it: a receiver needs none of it.

Through manage.py the same command holds twice the memory, in every bin/up.
"""

from __future__ import annotations

import sys

from engine.webhooks.management.commands.webhook_listen import Command

if __name__ == "__main__":
    Command().run_from_argv(["manage.py", "webhook_listen", *sys.argv[1:]])
