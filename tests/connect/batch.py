"""How tests ask for many quotes at once, and what they compare."""

BATCH = "/payouts/batch"
MADE_ANEW = ("request_id",)


def batch(api, quote_ids, *, key=None):
    response = api.post(BATCH, {"quote_ids": quote_ids}, key=key)
    assert response.status_code == 200, response.content
    return response.json()["results"]


def outcomes(results):
    """201, or the code of the refusal."""
    return [one["body"]["code"] if one["status"] >= 400 else one["status"] for one in results]


def plain(body):
    return {name: value for name, value in body.items() if name not in MADE_ANEW}


def alone(api, quote_id):
    """What POST /payouts answers, in the form of a batch's result."""
    response = api.post("/payouts", {"quote_id": quote_id}, key=None)
    return {"status": response.status_code, "body": plain(response.json())}
