"""No key, no token and no secret in a log line."""

import json
import logging

import pytest
import structlog

from engine.common.logging import mask_secrets

KEY = "sk_live_" + "a" * 42


@pytest.mark.parametrize(
    "secret", [KEY, "sk_test_abc123", "tk_live_x9", "zk_A1b2", "whsec_aGk="]
)
def test_a_secret_is_cut_after_its_prefix(secret):
    event = mask_secrets(None, "info", {"event": f"seen {secret} here", "key": secret, "n": 1})

    assert secret not in json.dumps(event)
    assert event["n"] == 1


@pytest.mark.parametrize("logger", [structlog.get_logger("t"), logging.getLogger("t")])
def test_lines_are_json_and_masked_whoever_writes_them(logger, capfd):
    structlog.contextvars.bind_contextvars(request_id="req_1")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.getLogger().handlers[0].formatter)
    logging.getLogger("t").addHandler(handler)

    logger.warning("key %s used", KEY)

    logging.getLogger("t").removeHandler(handler)
    structlog.contextvars.clear_contextvars()
    line = json.loads(capfd.readouterr().err.splitlines()[-1])
    assert line["request_id"] == "req_1"
    assert line["level"] == "warning"
    assert KEY not in json.dumps(line)
