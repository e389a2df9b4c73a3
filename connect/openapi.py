"""What the OpenAPI document says of each endpoint, and its last touches.

Each name in lower case is a decorator for the view method it documents.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)

from connect import serializers as forms
from connect import shapes
from connect.examples import EXAMPLES
from connect.shapes import Shape
from engine.common.api import PROBLEM_TYPE
from engine.common.fields import Form

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

HEADER: Final = "header"
ALWAYS = (400, 401, 403, 413, 415, 429, 503)
PROBLEMS = {
    400: "The request is not of the form this endpoint asks for.",
    401: "No valid API key.",
    403: "This key may not do that.",
    404: "There is no such thing, or it is another's.",
    409: "It was done before, or the Idempotency-Key was used for another request.",
    410: "The quote has expired.",
    413: "The body is larger than 64 KB.",
    415: "The body is not application/json.",
    422: "Well formed, and still not to be done.",
    429: "Too many requests.",
    503: "Not now: try again.",
}
# In the order in which a newcomer needs them.
TAGS = {
    "payouts": "Price a payout, execute it, and see where it is.",
    "addresses": "Where your users, and your treasury, pay in.",
    "balances": "What your users hold.",
    "transactions": "What came in and what went out.",
    "networks": "Which assets live where, and what a transfer costs.",
    "destinations": "Look at an address before paying there.",
    "webhook_endpoints": "Where you want to be told, and with which secret.",
    "events": "What you were told, and having it told again.",
    "sandbox": "Test keys only.",
}
KEY_TYPE = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
KEY_RULE = (
    "1 to 255 visible ASCII characters. The same key and body give the first answer again"
    " for 24 h, byte for byte; the same key with another body, 409."
)


def _response_header(name: str, description: str, *, codes: Any = True) -> OpenApiParameter:
    return OpenApiParameter(
        name=name,
        location=HEADER,
        type=OpenApiTypes.STR,
        response=codes,
        description=description,
    )


REQUEST_ID = _response_header("Request-Id", "Names this request; tell it to us.")
RATE_LIMITS = (
    _response_header("RateLimit-Policy", 'Calls and seconds: "default";q=6000;w=60'),
    _response_header("RateLimit", 'Calls left, seconds to go: "default";r=5999;t=60'),
    _response_header("Retry-After", "Seconds to wait.", codes=[409, 429, 503]),
)
REPLAYED = _response_header(
    "Idempotent-Replayed",
    "true, when this answer was given before.",
    codes=[200, 201, 409, 410, 422],
)


def operation(
    operation_id: str,
    description: str,
    answer: dict[int, type[Shape] | None],
    *,
    body: type[Form] | None = None,
    query: type[Form] | None = None,
    keyed: str = "",
    problems: Collection[int] = (),
    path: str = "",
) -> Callable[[Any], Any]:
    """Document one method of one view.

    `answer` is what success looks like by status, None for one without a body; `keyed`
    says what an Idempotency-Key is here, `path` names and describes the path's parameter.
    """
    parameters: list[Any] = [REQUEST_ID, *RATE_LIMITS]
    if keyed:
        parameters += [_key(keyed), REPLAYED]
    if query is not None:
        parameters.append(query)
    if path:
        name, _, text = path.partition(": ")
        parameters.append(OpenApiParameter(name, str, OpenApiParameter.PATH, description=text))
    codes = {*ALWAYS, *problems} - (set() if body else {413, 415})
    decorator: Callable[[Any], Any] = extend_schema(
        operation_id=operation_id,
        # createPayoutQuote is titled Create Payout Quote.
        summary=re.sub(r"(?<=[a-z])(?=[A-Z])", " ", operation_id).capitalize(),
        description=description,
        request=body,
        responses={
            **{
                status: OpenApiResponse(shape, description="Done.")
                for status, shape in answer.items()
            },
            **{
                (code, PROBLEM_TYPE): OpenApiResponse(
                    shapes.ProblemShape, description=PROBLEMS[code]
                )
                for code in sorted(codes)
            },
        },
        parameters=parameters,
        examples=_examples(operation_id),
    )
    return decorator


def _key(rule: str) -> OpenApiParameter:
    return OpenApiParameter(
        "Idempotency-Key", KEY_TYPE, HEADER, description=f"{rule} {KEY_RULE}"
    )


def _examples(operation_id: str) -> list[OpenApiExample]:
    found = []
    for name in (operation_id, f"{operation_id} request"):
        if name in EXAMPLES:
            is_request = name != operation_id
            found.append(
                OpenApiExample(
                    name,
                    value=EXAMPLES[name],
                    request_only=is_request,
                    response_only=not is_request,
                    status_codes=None if is_request else ["200", "201"],
                )
            )
    return found


quote = operation(
    "createPayoutQuote",
    "Price a payout and promise the price for 60 s. A user who holds too little gets a"
    " quote too, with `insufficient_funds` in it. In test mode the same request gives the"
    " same quote_id.",
    {201: shapes.QuoteShape},
    body=forms.QuoteForm,
    keyed="Required with live keys, optional with test keys.",
    problems=(404, 409, 422),
)
execute = operation(
    "createPayout",
    "Execute a quote: its funds are held and the payout is on its way. A live quote can be"
    " executed once. A test quote is not consumed: executing it again gives the first"
    " answer, with `Idempotent-Replayed`.",
    {201: shapes.AcceptedPayoutShape},
    body=forms.ExecuteForm,
    keyed="Optional: a quote is single-use anyway.",
    problems=(404, 409, 410, 422),
)
execute_batch = operation(
    "createPayoutBatch",
    "Execute up to 100 quotes in one commit. Each result is what `POST /payouts` would have"
    " answered, had they come one after the other: its status and its body. A refusal stops"
    " none of the others.",
    {200: shapes.BatchShape},
    body=forms.BatchForm,
    keyed="Optional: one for the whole, and every result is part of its answer.",
    problems=(409,),
)
list_payouts = operation(
    "listPayouts",
    "Newest first, with an opaque cursor.",
    {200: shapes.PayoutsShape},
    query=forms.PayoutsQuery,
)
get_payout = operation(
    "getPayout",
    "Where the payout is, and every step it took.",
    {200: shapes.PayoutShape},
    problems=(404,),
    path="payout_id: pay_ and 32 hexadecimal digits.",
)
make_address = operation(
    "createAddress",
    "A deposit address: the user's with an external_ref, your treasury's without. The same"
    " user, asset and network always give the same address.",
    {201: shapes.AddressShape},
    body=forms.AddressForm,
    keyed="Required with live keys, optional with test keys.",
    problems=(409, 422),
)
list_addresses = operation(
    "listAddresses",
    "Newest first, with an opaque cursor.",
    {200: shapes.AddressesShape},
    query=forms.AddressesQuery,
    problems=(422,),
)
get_address = operation(
    "getAddress",
    "One deposit address.",
    {200: shapes.AddressShape},
    problems=(404,),
    path="address_id: addr_ and 32 hexadecimal digits.",
)
balances = operation(
    "getBalances",
    "One user's funds, or without external_ref all your users' together. A user never"
    " seen before is made, and holds nothing.",
    {200: shapes.BalancesShape},
    query=forms.BalancesQuery,
)
balances_of_user = operation(
    "getBalancesOfUser",
    "One user's funds. A user never seen before is made, and holds nothing.",
    {200: shapes.BalancesShape},
    path="external_ref: Your own reference for the end user.",
    problems=(404,),
)
list_transactions = operation(
    "listTransactions",
    "Deposits and payouts in one list, newest first, with an opaque cursor.",
    {200: shapes.TransactionsShape},
    query=forms.TransactionsQuery,
)
get_transaction = operation(
    "getTransaction",
    "One deposit or payout.",
    {200: shapes.TransactionShape},
    problems=(404,),
    path="transaction_id: The id of a deposit (dep_…) or of a payout (pay_…).",
)
networks = operation(
    "listNetworks",
    "Every asset and network, and what a transfer costs there now.",
    {200: shapes.NetworksShape},
)
check_destination = operation(
    "checkDestination",
    "One traffic light for an address: red do not pay there, amber look again, green go.",
    {200: shapes.DestinationCheckShape},
    body=forms.CheckForm,
    problems=(422,),
)
sandbox_deposit = operation(
    "createSandboxDeposit",
    "Credit a user with funds from nowhere. Test keys only; a live key gets 404.",
    {201: shapes.TransactionShape},
    body=forms.SandboxDepositForm,
    keyed="Optional.",
    problems=(404, 409, 422),
)
sandbox_advance = operation(
    "advanceSandboxPayout",
    "Let a payout arrive that stays in broadcast (an amount ending in .03). Test keys only;"
    " a live key gets 404.",
    {200: shapes.PayoutShape},
    body=forms.NothingForm,
    keyed="Optional.",
    problems=(404, 409),
    path="payout_id: pay_ and 32 hexadecimal digits.",
)


def finish(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's last hook: bodies take no member that is not named."""
    for name, schema in result.get("components", {}).get("schemas", {}).items():
        if name.endswith("Request"):
            schema["additionalProperties"] = False
        # The base classes' docstrings are for us.
        if schema.get("description") in {Form.__doc__, Shape.__doc__}:
            del schema["description"]
    _forget(result, "x-spec-enum-id")
    result["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    return result


def _forget(node: Any, member: str) -> None:
    """Take a member out, wherever it is: drf-spectacular's notes to itself."""
    if isinstance(node, dict):
        node.pop(member, None)
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            _forget(inner, member)
