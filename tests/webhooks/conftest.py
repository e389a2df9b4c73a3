import json
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Lock, Thread
from time import sleep

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, connections
from django.test import Client

from engine.common.secrets import seal
from engine.webhooks import sending, services
from engine.webhooks.models import Delivery, Endpoint

BODY = b'{"type":"payout.delivered","data":{"note":"<script>"}}'
TOKEN = "tk_test_" + "7" * 42


class Receiver:
    """A partner's server on 127.0.0.1: keeps what it gets and answers as it is told."""

    def __init__(self):
        self.requests, self.at_once, self.most_at_once = [], 0, 0
        self.answers, self.seconds, self.headers, self.drips = [], 0.0, {}, False
        self.lock = Lock()
        receiver = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.take(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def take(self, door):
        body = door.rfile.read(int(door.headers["Content-Length"]))
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.requests.append((dict(door.headers), body))
            status = (
                self.answers.pop(0) if len(self.answers) > 1 else (self.answers or [200])[0]
            )
        sleep(self.seconds)
        door.send_response(status)
        for name, value in self.headers.items():
            door.send_header(name, value)
        if self.drips:
            door.send_header("Content-Length", "3600")
            door.end_headers()
            with suppress(OSError):
                while True:
                    door.wfile.write(b".")
                    sleep(1)
            return
        door.send_header("Content-Length", "2")
        door.end_headers()
        # Counted before the last byte: afterwards the sender may already ask again.
        with self.lock:
            self.at_once -= 1
        door.wfile.write(b"ok")

    @property
    def bodies(self):
        return [json.loads(body) for _, body in self.requests]

    @property
    def ids(self):
        return [headers["webhook-id"] for headers, _ in self.requests]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def new_receiver():
    made = []

    def make():
        made.append(Receiver())
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def receiver(new_receiver):
    return new_receiver()


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOW_LOOPBACK = True


@pytest.fixture(autouse=True)
def threads_let_go():
    """The pool's threads keep their connections; no test database can be dropped then."""
    yield
    threads = len(sending._pool._threads)
    if threads:
        # A barrier, so that no thread takes the turn of another.
        barrier = Barrier(threads)
        for run in [sending._pool.submit(_let_go, barrier) for _ in range(threads)]:
            run.result()


def _let_go(barrier):
    barrier.wait(timeout=30)
    connections.close_all()


@pytest.fixture
def listen(acme):
    """Register an endpoint of Acme's; returns the row and its secret."""

    def make(receiver, **changes):
        return services.create_endpoint(
            **{"partner_id": acme.pk, "livemode": True, "url": receiver.url} | changes
        )

    return make


@pytest.fixture
def owe(acme):
    """Owe Acme messages of no payout: a quick way to a full outbox."""

    def make(count=1, **changes):
        drafts = [
            services.Draft(
                **{
                    "partner_id": acme.pk,
                    "livemode": True,
                    "door": "connect",
                    "dialect": "standard",
                    "type": "payout.delivered",
                    "reference": f"test:{services.new_id().hex}",
                    "subject": f"pay_{services.new_id().hex}",
                    "sequence": 1,
                    "body": json.dumps({"n": number}).encode(),
                }
                | changes
            )
            for number in range(count)
        ]
        return services.owe_messages(drafts)

    return make


def sealed(text=TOKEN):
    return seal(services.TOKEN_PURPOSE, text.encode())


@pytest.fixture
def tell(owe):
    """Owe messages of payments to a URL of their own; '' is to whoever listens."""

    def make(url="", count=1, **changes):
        return owe(
            count, **{"dialect": "signature", "url": url, "sealed_token": sealed()} | changes
        )

    return make


def pass_time(**span):
    """Let time pass for everything in the outbox, as the database would see it."""
    seconds = timedelta(**span).total_seconds()
    with connection.cursor() as cursor:
        for table, columns in (
            (Delivery, ("due_at", "leased_until")),
            (Endpoint, ("leased_until", "paused_until", "failing_since", "old_secret_until")),
        ):
            moved = ", ".join(f"{c} = {c} - make_interval(secs => %s)" for c in columns)
            cursor.execute(
                f"UPDATE {table._meta.db_table} SET {moved}", [seconds] * len(columns)
            )


def staff(name, *groups):
    user = User.objects.create_user(name, is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    client.user = user
    return client


@pytest.fixture
def viewer(db):
    return staff("vera", "viewer")


@pytest.fixture
def operator(db):
    return staff("olaf", "operator")


@pytest.fixture
def endpoint(acme):
    return services.create_endpoint(
        partner_id=acme.pk, livemode=True, url="https://hooks.example.com/zopay"
    )[0]


@pytest.fixture
def message(endpoint, owe):
    """A message that arrived, as far as the books say."""
    (told,) = owe(body=BODY)
    Delivery.objects.update(state="delivered", tries=1, due_at=None)
    return told
