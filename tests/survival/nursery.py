"""Celery workers in no time: one program loads the house once, and forks workers of it.

A worker that starts from nothing takes two seconds of a core, and these tests end a
hundred of them. What is forked then runs Celery's own main with bin/up's own arguments.

    python -m tests.survival.nursery

Reads one JSON object a line, {"name", "log", "changes"}, and answers the pid of the worker,
which leads a session of its own. The end of standard input is the end of all.
"""

import json
import os
import signal
import sys
from time import sleep

from celery.__main__ import main as celery_main
from django.core.checks import run_checks
from django.utils.module_loading import import_string

from zopay_site.celery import app
from zopay_site.embedded import children, services


def main():
    app.loader.import_default_modules()
    run_checks()
    # The kernel buries them; a worker gets the default back, since it has children too.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    born = []
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become_worker(**json.loads(line))
        while os.getsid(pid) != pid:
            sleep(0.001)
        born.append(pid)
        print(pid, flush=True)
    for pid in born:
        children.kill_session(pid)


def become_worker(*, name, log, changes):
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), words, words)):
        os.dup2(descriptor, number)
    for change in changes:
        import_string(f"tests.survival.{change}")()
    # worker_line() is "python -m celery …".
    sys.argv = ["celery", *services.worker_line()[3:], "--hostname", f"{name}@survival"]
    celery_main()


if __name__ == "__main__":
    main()
