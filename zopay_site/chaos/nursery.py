"""Celery workers in no time: one program loads the house once, and forks workers of it.

A worker that starts from nothing takes some seconds of a core, and bin/chaos ends hundreds
of them. What is forked then runs Celery's own main with bin/up's own arguments.

    python -m zopay_site.chaos.nursery

Reads one JSON object a line, {"name", "log"}, and answers the pid of the worker, which
leads a session of its own. The end of standard input is the end of all.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from celery.__main__ import main as celery_main
from django.conf import settings
from django.core.checks import run_checks
from django.utils.module_loading import import_string

from zopay_site.celery import app
from zopay_site.chaos import settings as chaos_settings
from zopay_site.embedded import child, children, services

# linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    app.loader.import_default_modules()
    run_checks()
    for rail in settings.PAYOUT_RAILS.values():
        import_string(rail)
    mutation: str = vars(chaos_settings)["CHAOS_MUTATION"]
    if mutation:
        # Only now, since it is made of what the lines above have loaded.
        from zopay_site.chaos import mutations

        mutations.install(mutation)
    if child.IS_LINUX:
        # The children of a worker that was killed come to us, and are buried too.
        child.kernel("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # The kernel buries them; a worker gets the default back, since it has children too.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    born: dict[int, str | None] = {}
    try:
        for line in sys.stdin:
            pid = os.fork()
            if pid == 0:
                become_worker(**json.loads(line))
            while os.getsid(pid) != pid:
                time.sleep(0.001)
            born[pid] = children.began(pid)
            print(pid, flush=True)
    finally:
        for pid, began in born.items():
            # A number alone may be somebody else's by now.
            if began is not None and children.began(pid) == began:
                children.kill_session(pid)


def become_worker(*, name: str, log: str) -> None:
    """Never returns."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), words, words)):
        os.dup2(descriptor, number)
    # worker_line() is "python -m celery …".
    sys.argv = ["celery", *services.worker_line()[3:], "--hostname", f"{name}@chaos"]
    celery_main()


if __name__ == "__main__":
    main()
