"""The simulator is MTN's API, and not merely whatever our own client happens to say.

Goal: what others wrote against MTN works against it. Method: three published clients, by
three authors, provision themselves, pay, ask and are refused; then the refusals by hand.
"""

import socket
import subprocess
import sys
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
import requests
from momo_api.exceptions import MomoException
from momo_api.models import Config, TransferRequest
from momo_api.products import DisbursementApi, SandboxApi
from momo_openapi import Disbursement, MomoAPIError, MomoConfig
from momo_openapi import sandbox as openapi_sandbox
from mtnmomo import MoMoClient
from mtnmomo.config import MoMoConfig, ProductCredentials
from mtnmomo.errors import MoMoConflictError, MoMoNotFoundError, MoMoValidationError

from engine.rails.mtn_simulator.behaviour import Behaviour
from engine.rails.mtn_simulator.server import Server

KEY = "c72025f55cd1463099e48ba4722fad56"
PAYEE, NOBODY = "46733123999", "46733123457"


@pytest.fixture
def sandbox():
    """MTN's sandbox: in euros, and paid at once."""
    with Server(behaviour=Behaviour(settle_seconds=0.0)) as server:
        yield server


@pytest.fixture
def call(sandbox):
    """One request by hand, as a user of the sandbox; headers may be changed or left out."""
    user = str(uuid4())
    keyed = {"Ocp-Apim-Subscription-Key": KEY, "User-Agent": "tests"}

    def send(method, path, *, body=None, **headers):
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(
            method,
            sandbox.url + path,
            json=body,
            headers={k: v for k, v in (keyed | wanted).items() if v is not None},
            timeout=5,
        )

    send(
        "POST", "/v1_0/apiuser", body={"providerCallbackHost": "localhost"}, X_Reference_Id=user
    )
    key = send("POST", f"/v1_0/apiuser/{user}/apikey").json()["apiKey"]
    token = requests.post(
        f"{sandbox.url}/disbursement/token/", auth=(user, key), headers=keyed, timeout=5
    ).json()["access_token"]
    keyed |= {"Authorization": f"Bearer {token}", "X-Target-Environment": "sandbox"}
    return send


def transfer(**changes):
    return {
        "amount": "10",
        "currency": "EUR",
        "externalId": "order-1",
        "payee": {"partyIdType": "MSISDN", "partyId": PAYEE},
        "payerMessage": "hello",
        "payeeNote": "hello",
    } | changes


# Three clients that others wrote.


def test_momo_openapi_drives_it(sandbox, monkeypatch):
    monkeypatch.setattr(openapi_sandbox, "SANDBOX_URL", sandbox.url)
    user, key = openapi_sandbox.provision_sandbox_user(KEY, "localhost")
    client = Disbursement(
        MomoConfig(
            subscription_key=KEY,
            user_id=user,
            credential_token=key,
            target_environment="sandbox",
            base_url=sandbox.url,
            currency="EUR",
        )
    )

    reference = client.transfer("25", PAYEE, "order-1", payee_note="thanks")
    told = client.get_transaction_status(reference)
    failed = client.get_transaction_status(client.transfer("25", NOBODY, "order-2"))
    with pytest.raises(MomoAPIError) as twice:
        client.transfer("25", PAYEE, "order-1", reference_id=reference)
    with pytest.raises(MomoAPIError) as unknown:
        client.get_transaction_status(str(uuid4()))

    assert (told["status"], told["amount"], told["externalId"]) == (
        "SUCCESSFUL",
        "25",
        "order-1",
    )
    assert (failed["status"], failed["reason"]) == ("FAILED", "PAYEE_NOT_FOUND")
    assert (twice.value.status_code, twice.value.code) == (409, "RESOURCE_ALREADY_EXIST")
    assert (unknown.value.status_code, unknown.value.code) == (404, "RESOURCE_NOT_FOUND")
    assert client.get_balance() == {"availableBalance": "99999975", "currency": "EUR"}


def test_mtnmomo_py_drives_it(sandbox):
    # This one was written against the published schema, in which a reason is an object.
    sandbox.state.behaviour.change({"reason_is_object": True})

    def config(user="", key=""):
        return MoMoConfig(disbursement=ProductCredentials(KEY, user, key), base_url=sandbox.url)

    with MoMoClient(config()) as maker:
        user = maker.sandbox.create_api_user("localhost")
        key = maker.sandbox.create_api_key(user)
        made = maker.sandbox.get_api_user(user)
    with MoMoClient(config(user, key)) as client:
        api = client.disbursement
        reference = api.transfer(transfer())
        told = api.get_transfer_status(reference)
        failed = api.get_transfer_status(
            api.transfer(transfer(payee={"partyIdType": "MSISDN", "partyId": NOBODY}))
        )
        with pytest.raises(MoMoConflictError) as twice:
            api.transfer(transfer(), reference_id=reference)
        with pytest.raises(MoMoNotFoundError):
            api.get_transfer_status(str(uuid4()))
        with pytest.raises(MoMoValidationError):
            api.transfer(transfer(payeeNote="it's odd"))

        assert (made.provider_callback_host, made.target_environment) == (
            "localhost",
            "sandbox",
        )
        assert (told.status, told.amount, told.payee.party_id) == ("SUCCESSFUL", "10", PAYEE)
        assert (failed.status, failed.reason.code) == ("FAILED", "PAYEE_NOT_FOUND")
        assert twice.value.code == "RESOURCE_ALREADY_EXIST"
        assert api.get_account_balance().available_balance == "99999990"
        assert api.validate_account_holder_status("msisdn", PAYEE) is True
        assert api.validate_account_holder_status("msisdn", "237653456089") is False
        assert api.get_basic_user_info("msisdn", PAYEE)["given_name"] == "Sand"


def test_mtn_momo_client_drives_it(sandbox):
    user = str(uuid4())
    with httpx.Client(timeout=5) as http:
        maker = SandboxApi(KEY, sandbox.url, http)
        maker.create_api_user(user, "localhost")
        config = Config.disbursement(KEY, user, maker.create_api_key(user))
        api = DisbursementApi(config, sandbox.url, "sandbox", http)
        reference = api.transfer(TransferRequest.make("7", PAYEE, "order-1", "EUR"))
        told = api.get_transfer_status(reference)
        failed = api.get_transfer_status(
            api.transfer(TransferRequest.make("7", NOBODY, "order-2", "EUR"))
        )
        with pytest.raises(MomoException) as twice:
            api.transfer(TransferRequest.make("7", PAYEE, "order-1", "EUR"), reference)

        assert maker.get_api_user(user)["targetEnvironment"] == "sandbox"
        assert (told.is_successful(), told.payee, told.amount) == (True, PAYEE, "7")
        assert told.financial_transaction_id
        assert failed.is_failed()
        assert failed.reason.is_payee_not_found()
        assert "RESOURCE_ALREADY_EXIST" in str(vars(twice.value) | {"text": str(twice.value)})
        assert api.check_account_holder(PAYEE) is True
        assert api.get_balance().currency == "EUR"


# Its refusals, by hand.


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"Ocp_Apim_Subscription_Key": None}, {}, 401, None),
        ({"Ocp_Apim_Subscription_Key": "another"}, {}, 401, None),
        ({"Authorization": "Bearer nonsense"}, {}, 401, None),
        ({"Authorization": None}, {}, 401, None),
        ({"User_Agent": "python-requests/2.32"}, {}, 403, None),
        ({"X_Target_Environment": "mtnghana"}, {}, 500, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
        ({"X_Target_Environment": None}, {}, 500, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
        ({"X_Callback_Url": "http://else.where/x"}, {}, 500, "INVALID_CALLBACK_URL_HOST"),
        ({}, {"currency": "XAF"}, 500, "INVALID_CURRENCY"),
        ({"X_Reference_Id": "not-a-uuid"}, {}, 400, None),
        ({"X_Reference_Id": "01890a5d-ac96-774b-bcce-b302099a8057"}, {}, 400, None),
        ({"X_Reference_Id": None}, {}, 400, None),
        ({}, {"amount": "-1"}, 400, None),
        ({}, {"amount": 10}, 400, None),
        ({}, {"amount": "ten"}, 400, None),
        ({}, {"payee": {"partyIdType": "MSISDN", "partyId": "+46733123999"}}, 400, None),
        ({}, {"payeeNote": "x" * 161}, 400, None),
        ({}, {"payerMessage": "l'argent"}, 400, None),
    ],
)
def test_it_refuses_what_mtn_refuses_and_takes_nothing(
    call, sandbox, headers, body, status, code
):
    headers = {"X_Reference_Id": str(uuid4())} | headers

    answer = call("POST", "/disbursement/v1_0/transfer", body=transfer(**body), **headers)

    assert answer.status_code == status
    assert code is None or answer.json()["code"] == code
    assert sandbox.state.transfers == {}


def test_a_transfer_is_known_to_its_own_api_user_alone(call, sandbox):
    reference = str(uuid4())
    path = f"/disbursement/v1_0/transfer/{reference}"
    call("POST", "/disbursement/v1_0/transfer", body=transfer(), X_Reference_Id=reference)
    assert call("GET", path).status_code == 200
    stranger = replace(next(iter(sandbox.state.users.values())), id=str(uuid4()))
    sandbox.state.keep_user(stranger)
    token, _ = sandbox.state.new_token(stranger)

    assert call("GET", path, Authorization=f"Bearer {token}").status_code == 404


@pytest.mark.parametrize(
    ("msisdn", "status", "reason"),
    [
        ("46733123450", "FAILED", "INTERNAL_PROCESSING_ERROR"),
        ("46733123453", "PENDING", None),
        ("46733123455", "FAILED", "NOT_ENOUGH_FUNDS"),
        ("46733123463", "FAILED", "SERVICE_UNAVAILABLE"),
        ("237653456789", "SUCCESSFUL", None),
        ("237653456089", "FAILED", "PAYEE_NOT_FOUND"),
        ("237653456119", "FAILED", "INTERNAL_PROCESSING_ERROR"),
        ("237653456129", "PENDING", None),
    ],
)
def test_numbers_mean_what_they_mean(call, msisdn, status, reason):
    reference = str(uuid4())
    body = transfer(payee={"partyIdType": "MSISDN", "partyId": msisdn})

    call("POST", "/disbursement/v1_0/transfer", body=body, X_Reference_Id=reference)
    told = call("GET", f"/disbursement/v1_0/transfer/{reference}").json()

    assert (told["status"], told.get("reason")) == (status, reason)


def test_more_than_the_float_is_not_paid(call, sandbox):
    reference = str(uuid4())

    body = transfer(amount="100000001")
    call("POST", "/disbursement/v1_0/transfer", body=body, X_Reference_Id=reference)

    told = call("GET", f"/disbursement/v1_0/transfer/{reference}").json()
    assert (told["status"], told["reason"]) == ("FAILED", "NOT_ENOUGH_FUNDS")
    assert sandbox.state.ledger() == []


def test_its_behaviour_is_changed_while_it_runs_and_only_as_it_has_it(call):
    good = call("POST", "/_simulator/behaviour", body={"late": 0.5, "hang_seconds": 2})
    bad = call("POST", "/_simulator/behaviour", body={"late": 1.0, "nonsense": 1})

    assert (good.status_code, good.json()["late"]) == (200, 0.5)
    assert (bad.status_code, bad.json()["code"]) == (400, "BAD_BEHAVIOUR")
    assert call("GET", "/_simulator/behaviour").json()["late"] == 0.5


def test_a_seed_tells_the_same_story_again():
    one, two, other = (Behaviour(seed=seed, lost_reply=0.3) for seed in (1, 1, 2))
    story = [
        [how.strikes("lost_reply", str(n), 1) for n in range(400)] for how in (one, two, other)
    ]

    assert story[0] == story[1] != story[2]
    assert 80 < sum(story[0]) < 160


class Program:
    """The command, run as a program of its own, and killed at the end."""

    def __init__(self, journal):
        command = [sys.executable, "manage.py", "simulate_mtn", "--port", str(free_port())]
        flags = ["--journal", str(journal), "--settle-seconds", "0"]
        self.child = subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True)
        self.url = self.child.stdout.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.communicate()

    def ask(self, method, path, *, body=None, auth=None, **headers):
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        keyed = {"Ocp-Apim-Subscription-Key": KEY, "User-Agent": "tests"}
        return requests.request(
            method, self.url + path, json=body, auth=auth, headers=keyed | wanted, timeout=5
        )

    def bearer(self, user, key):
        token = self.ask("POST", "/disbursement/token/", auth=(user, key)).json()
        return {
            "Authorization": f"Bearer {token['access_token']}",
            "X_Target_Environment": "sandbox",
        }


def test_the_command_serves_this_machine_and_remembers_what_it_paid(tmp_path):
    journal = tmp_path / "mtn.jsonl"
    reference, user = str(uuid4()), str(uuid4())

    with Program(journal) as first:
        host = {"providerCallbackHost": "localhost"}
        first.ask("POST", "/v1_0/apiuser", body=host, X_Reference_Id=user)
        key = first.ask("POST", f"/v1_0/apiuser/{user}/apikey").json()["apiKey"]
        taken = first.ask(
            "POST",
            "/disbursement/v1_0/transfer",
            body=transfer(),
            X_Reference_Id=reference,
            **first.bearer(user, key),
        )
    with Program(journal) as second:
        told = second.ask(
            "GET", f"/disbursement/v1_0/transfer/{reference}", **second.bearer(user, key)
        )
        paid = second.ask("GET", "/_simulator/ledger").json()["paid"]

    assert first.url.startswith("http://127.0.0.1:")
    assert (taken.status_code, told.json()["status"]) == (202, "SUCCESSFUL")
    assert [one["reference"] for one in paid] == [reference]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
