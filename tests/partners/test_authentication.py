"""Who is calling: one 401 for every failure, and revocation that bites within five seconds."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from engine.common.errors import Forbidden, Unauthorized
from engine.partners import authentication, key_cache
from engine.partners.authentication import ApiKeyAuthentication, require_scope
from engine.partners.errors import PartnerNotApproved
from engine.partners.keys import new_key_text
from engine.partners.models import ALL_SCOPES, ApiKey, Partner
from engine.partners.services import mint_key, revoke_key, rotate_key


class Clock:
    """A monotonic clock that moves when told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    moved = Clock()
    monkeypatch.setattr(key_cache, "monotonic", moved)
    monkeypatch.setattr(authentication, "monotonic", moved)
    return moved


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", ""])
def test_a_key_names_its_caller(acme, key, text, ask, scheme):
    caller = ask(scheme + text)

    assert caller == key_cache.Caller(
        partner_id=acme.pk,
        partner_name="Acme",
        livemode=False,
        key_id=key.pk,
        scopes=frozenset(ALL_SCOPES),
        is_approved=True,
        fee_schedule_id=acme.fee_schedule_id,
    )


@pytest.mark.parametrize(
    "form",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer  {}",
        " Bearer {}",
        " {}",
        "{} ",
        "Bearer {} ",
        "Bearer\t{}",
        "Bearer{}",
        "Bearer {},Bearer {}",
        "Bearer {}, Bearer {}",
        "Bearer Bearer {}",
        "Basic {}",
        "Token {}",
        '"{}"',
        "{}\n",
    ],
)
def test_a_header_of_any_other_form_is_the_same_401(text, ask, form):
    with pytest.raises(Unauthorized):
        ask(form and form.replace("{}", text))


def test_an_unknown_key_is_a_401(db, ask):
    with pytest.raises(Unauthorized):
        ask(new_key_text(livemode=False))


def test_a_wrong_checksum_is_refused_without_asking_the_database(
    text, ask, django_assert_num_queries
):
    wrong = text[:-1] + ("0" if text[-1] != "0" else "1")
    with django_assert_num_queries(0), pytest.raises(Unauthorized):
        ask(wrong)


def test_an_expired_key_is_a_401_even_while_it_is_remembered(key, text, ask):
    ApiKey.objects.filter(pk=key.pk).update(
        expires_at=timezone.now() + timedelta(milliseconds=300)
    )
    key_cache.forget_keys()
    ask(text)
    expires_at = ApiKey.objects.get(pk=key.pk).expires_at
    while timezone.now() < expires_at:
        pass

    with pytest.raises(Unauthorized):
        ask(text)


def test_a_rotated_key_and_its_successor_both_work_for_the_hour_asked(key, text, ask):
    successor, new_text = rotate_key(key=key, old_lives_seconds=3600, by=None)

    assert ask(text).key_id == key.pk
    assert ask(new_text).key_id == successor.pk


def test_a_revoked_key_is_believed_for_less_than_five_seconds(key, text, ask, clock):
    ask(text)
    revoke_key(key=key, by=None)

    clock.now += 4.9
    assert ask(text).key_id == key.pk
    clock.now += 0.1
    with pytest.raises(Unauthorized):
        ask(text)


def test_no_setting_makes_it_longer(key, text, ask, clock, settings):
    settings.KEY_CACHE_SECONDS = 60
    ask(text)
    revoke_key(key=key, by=None)
    clock.now += 5

    with pytest.raises(Unauthorized):
        ask(text)


def test_a_slow_look_up_does_not_lengthen_the_belief(key, text, clock):
    known = authentication._look_up(bytes(key.digest))

    def slow_look_up(_digest):
        clock.now += 3
        return known

    key_cache.known_key(b"d", look_up=slow_look_up)
    clock.now += 2

    assert key_cache.known_key(b"d", look_up=lambda _: None) is None


def test_a_remembered_key_costs_no_query(text, ask, django_assert_num_queries):
    ask(text)

    with django_assert_num_queries(0):
        ask(text)


def test_a_key_that_was_unknown_works_as_soon_as_it_exists(text, ask, key):
    ApiKey.objects.filter(pk=key.pk).update(digest=b"x" * 32)
    with pytest.raises(Unauthorized):
        ask(text)
    ApiKey.objects.filter(pk=key.pk).update(digest=key.digest)

    assert ask(text).key_id == key.pk


def test_the_oldest_key_is_forgotten_when_memory_is_full(key, monkeypatch):
    monkeypatch.setattr(key_cache, "KEYS_MAX", 2)
    known = authentication._look_up(bytes(key.digest))
    for digest in (b"a", b"b", b"c"):
        key_cache.known_key(digest, look_up=lambda _: known)

    assert list(key_cache._known) == [b"b", b"c"]


@pytest.mark.parametrize(
    ("address", "is_admitted"),
    [
        ("203.0.113.7", True),
        ("203.0.114.7", False),
        ("::ffff:203.0.113.7", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
    ],
)
def test_a_key_with_networks_works_from_them_only(acme, ask, address, is_admitted):
    _, text = mint_key(
        partner=acme,
        livemode=False,
        name="n",
        scopes=ALL_SCOPES,
        cidrs=["203.0.113.0/24", "2001:db8::/32"],
    )

    if is_admitted:
        assert ask(text, REMOTE_ADDR=address).partner_id == acme.pk
    else:
        with pytest.raises(Unauthorized):
            ask(text, REMOTE_ADDR=address)


def test_a_client_cannot_claim_an_address(acme, ask, settings):
    _, text = mint_key(
        partner=acme,
        livemode=False,
        name="n",
        scopes=ALL_SCOPES,
        cidrs=["203.0.113.0/24"],
    )
    claim = {"HTTP_X_FORWARDED_FOR": "203.0.113.7"}
    with pytest.raises(Unauthorized):
        ask(text, REMOTE_ADDR="198.51.100.1", **claim)
    settings.TRUSTED_PROXIES = ["198.51.100.1"]

    assert ask(text, REMOTE_ADDR="198.51.100.1", **claim).partner_id == acme.pk


def test_a_live_key_waits_for_its_partner_s_approval_and_a_test_key_does_not(acme, ask):
    Partner.objects.filter(pk=acme.pk).update(is_approved=False)
    _, live = mint_key(partner=acme, livemode=True, name="n", scopes=ALL_SCOPES)
    _, test = mint_key(partner=acme, livemode=False, name="n", scopes=ALL_SCOPES)

    assert ask(test).livemode is False
    with pytest.raises(PartnerNotApproved) as refusal:
        ask(live)
    assert (refusal.value.http_status, refusal.value.code) == (403, "partner_not_approved")


def test_a_missing_scope_is_forbidden(acme, ask):
    _, text = mint_key(partner=acme, livemode=False, name="n", scopes=["payouts:read"])
    caller = ask(text)

    require_scope(caller, "payouts:read")
    with pytest.raises(Forbidden) as refusal:
        require_scope(caller, "payouts:write")
    assert (refusal.value.http_status, refusal.value.code) == (403, "forbidden")


def test_the_last_use_is_written_once_a_minute(
    key, text, ask, clock, django_assert_num_queries
):
    ask(text)
    key.refresh_from_db()
    first = key.last_used_at
    assert abs((timezone.now() - first).total_seconds()) < 60
    clock.now += 4
    with django_assert_num_queries(0):
        ask(text)
    clock.now += 57

    ask(text)
    key.refresh_from_db()
    # This process asked again; the database, whose minute is not over, said no.
    assert key.last_used_at == first


@pytest.mark.parametrize(("seconds_ago", "is_written"), [(59, False), (61, True)])
def test_another_process_s_minute_counts_too(key, text, ask, seconds_ago, is_written):
    noted = timezone.now() - timedelta(seconds=seconds_ago)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=noted)
    ask(text)

    key.refresh_from_db()
    assert (key.last_used_at != noted) is is_written


def test_a_refused_key_was_not_used(key, text, ask):
    revoke_key(key=key, by=None)
    with pytest.raises(Unauthorized):
        ask(text)

    key.refresh_from_db()
    assert key.last_used_at is None


class WhoAmI(APIView):
    authentication_classes = (ApiKeyAuthentication,)

    def get(self, request):
        assert request.user is request.auth
        return Response({"partner": request.user.partner_name})


def test_drf_hands_the_caller_to_the_view(text):
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {text}")

    response = WhoAmI.as_view()(request)

    assert (response.status_code, response.data) == (200, {"partner": "Acme"})


def test_every_failure_is_the_same_401_problem(key, text, db):
    revoke_key(key=key, by=None)
    seen = set()
    for header in ("", "Basic abc", "Bearer sk_test_x", text, new_key_text(livemode=True)):
        request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=header)
        response = WhoAmI.as_view()(request).render()
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Bearer realm="zopay"'
        assert response.data["code"] == "unauthorized"
        seen.add(response.content)

    assert len(seen) == 1


def test_the_openapi_document_calls_it_a_bearer_key():
    from drf_spectacular.extensions import OpenApiAuthenticationExtension

    scheme = OpenApiAuthenticationExtension.get_match(ApiKeyAuthentication())
    described = scheme.get_security_definition(None)

    assert scheme.name == "ApiKey"
    assert (described["type"], described["scheme"]) == ("http", "bearer")
