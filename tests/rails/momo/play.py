"""What the tests of mobile money share: an account made, payouts driven, callbacks heard."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import uuid4

import requests
from django.db import connection

from engine.rails.base import Outcome
from engine.rails.errors import RailUnavailable
from engine.rails.models import MomoSend
from engine.rails.momo import hints
from engine.rails.momo.accounts import connect_account, set_credentials
from engine.rails.momo.client import forget_tokens
from engine.rails.mtn_simulator.behaviour import Behaviour
from engine.rails.mtn_simulator.server import Server

KEY = "a-subscription-key-of-32-letters"


def provision(server, *, key=KEY, host="localhost"):
    """An API user and its key, as the sandbox makes them."""
    user, headers = str(uuid4()), {"Ocp-Apim-Subscription-Key": key, "User-Agent": "tests"}
    made = requests.post(
        f"{server.url}/v1_0/apiuser",
        json={"providerCallbackHost": host},
        headers=headers | {"X-Reference-Id": user},
        timeout=5,
    )
    assert made.status_code == 201
    made = requests.post(f"{server.url}/v1_0/apiuser/{user}/apikey", headers=headers, timeout=5)
    assert made.status_code == 201
    return user, made.json()["apiKey"]


def connect(server, *, name="mtn-cm", callback_url="", **changes):
    user, key = provision(server)
    account = connect_account(
        **{
            "name": name,
            "network": "mtn_momo",
            "country": "CM",
            "currency": "XAF",
            "callback_url": callback_url,
        }
        | changes
    )
    set_credentials(
        account=account,
        base_url=server.url,
        target_environment=server.state.behaviour.target_environment,
        api_user=user,
        api_key=key,
        subscription_key=KEY,
    )
    return account


def row(prepared):
    return MomoSend.objects.get(reference=prepared.reference)


def drive(rail, batch, *, rounds, pause):
    """What the engine does to live attempts, over and over; returns the last sightings."""
    live = {one.reference: one for one in batch}
    last = {}
    for _ in range(rounds):
        waiting = list(live.values())
        for verb in (rail.submit, rail.look_up):
            try:
                told = verb(waiting)
            except RailUnavailable:
                continue
            if verb == rail.look_up:
                for one, sighting in zip(waiting, told, strict=True):
                    last[one.reference] = sighting
                    if sighting.outcome in {Outcome.FINAL, Outcome.DEAD}:
                        del live[one.reference]
        if not live:
            return last
        pause()
    return last


class Door:
    """Where callbacks arrive: the secret path and the reference, and nothing is read."""

    def __init__(self):
        self.heard = []
        door = self

        class Wire(BaseHTTPRequestHandler):
            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                _, token, reference = self.path.strip("/").split("/")
                try:
                    news = hints.hint(token, reference)
                finally:
                    connection.close()
                door.heard.append((reference, json.loads(body)["status"], news))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Wire)
        self.server.daemon_threads = True
        self.thread = Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://localhost:{self.server.server_port}/momo"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def posts(mtn, prepared):
    """How often a reference was handed over."""
    return mtn.state.posts.get(prepared.reference, 0)


@contextmanager
def mtn_in_cameroon(settings):
    """MTN's simulator in Cameroon, which pays at once, and an account of ours there."""
    settings.MOMO_STATUS_PER_SECOND = 1000.0
    settings.MOMO_TIMEOUT_SECONDS = 5.0
    forget_tokens()
    behaviour = Behaviour(target_environment="mtncameroon", settle_seconds=0.0, hang_seconds=0)
    with Server(behaviour=behaviour) as server:
        connect(server)
        yield server
