"""The demo's mobile-money operator: MTN's API on this machine, and our account with it."""

from __future__ import annotations

import http.client
import json
import sys
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zopay_site.embedded import children, ports
from zopay_site.embedded.home import ROOT
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zopay_site.embedded.supervisor import Supervisor

NAME = "mtn"
ACCOUNT = "mtn-demo"
ENVIRONMENT, COUNTRY, CURRENCY = "mtncameroon", "CM", "XAF"
# The simulator takes any; what it gives out it keeps in its journal.
SUBSCRIPTION_KEY = "demo-subscription-key"
WAIT_SECONDS = 20.0


def add_operator(supervisor: Supervisor, *, home: Path, environment: Mapping[str, str]) -> str:
    """Start the simulator on a port of its own, the same every time; returns its address."""
    port = ports.remembered(home, NAME)
    line = [sys.executable, "-m", "zopay_site.embedded.operate", "--port", str(port)]
    line += ["--target-environment", ENVIRONMENT, "--journal", str(home / "mtn.jsonl")]
    supervisor.add(
        NAME,
        lambda: children.start(NAME, line, home=home, environment=environment, folder=ROOT),
    )
    return f"http://{ports.LOOPBACK}:{port}"


def join(url: str, *, public_url: str) -> None:
    """Open our account with the operator at `url`, once. Django is set up by the caller.

    Raises Stop when the operator does not answer.
    """
    from engine.rails.models import MomoAccount, MomoCredentials
    from engine.rails.momo.accounts import connect_account, set_credentials

    account = MomoAccount.objects.filter(name=ACCOUNT).first()
    latest = MomoCredentials.objects.filter(account=account).order_by("-pk").first()
    if latest is not None and latest.base_url == url:
        return
    api_user = str(uuid.uuid4())
    callback_host = urlsplit(public_url).hostname or ports.LOOPBACK
    _ask(url, "/v1_0/apiuser", api_user, {"providerCallbackHost": callback_host})
    api_key = _ask(url, f"/v1_0/apiuser/{api_user}/apikey", api_user, {})["apiKey"]
    set_credentials(
        account=account
        or connect_account(
            name=ACCOUNT,
            network="mtn_momo",
            country=COUNTRY,
            currency=CURRENCY,
            callback_url=f"{public_url}/momo/callbacks",
        ),
        base_url=url,
        target_environment=ENVIRONMENT,
        api_user=api_user,
        api_key=api_key,
        subscription_key=SUBSCRIPTION_KEY,
    )


def _ask(url: str, path: str, reference: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """One call of MTN's provisioning API, as soon as the simulator listens."""
    headers = {
        "Ocp-Apim-Subscription-Key": SUBSCRIPTION_KEY,
        "X-Reference-Id": reference,
        "Content-Type": "application/json",
        "User-Agent": "zopay/1.0",
    }
    place = urlsplit(url)
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
        try:
            line.request("POST", path, json.dumps(body), headers)
            answer = line.getresponse()
            told = answer.read()
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                raise Stop(
                    f"The simulated operator does not answer: {error}.", then="see logs/mtn.log"
                ) from None
            time.sleep(0.1)
            continue
        finally:
            line.close()
        if answer.status != HTTPStatus.CREATED:
            raise Stop(
                f"The simulated operator answered {answer.status}.", then="see logs/mtn.log"
            )
        return dict(json.loads(told)) if told else {}
