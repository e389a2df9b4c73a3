"""Staff see the books, and no crafted request writes them."""

import pytest
from django.contrib.auth import get_user_model

from engine.ledger.models import Account, Movement


@pytest.fixture
def staff(client, db, settings, tmp_path):
    settings.STATIC_ROOT = tmp_path  # whitenoise warns of a folder that is not there
    root = get_user_model().objects.create_superuser("root", password="x")
    client.force_login(root)
    return client


def test_accounts_show_their_balance_as_of_now(staff, available, custody):
    page = staff.get("/admin/ledger/account/").content.decode()

    assert "user:1:tron:available" in page
    assert "1,000" in page
    # A hot account's row says 0; the page says what it holds.
    assert "-1,000" in page


def test_movements_show_where_units_went(staff, available):
    page = staff.get("/admin/ledger/movement/").content.decode()

    for text in ("deposit:1", "custody:tron", "user:1:tron:available", "1,000", "live"):
        assert text in page


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("account/?q=user:1", "user:1:tron:available"),
        ("account/?asset=USDT&livemode__exact=1", "user:1:tron:available"),
        ("movement/?q=deposit:", "deposit:1"),
    ],
)
def test_rows_are_found(staff, available, path, found):
    assert found in staff.get(f"/admin/ledger/{path}").content.decode()


@pytest.mark.parametrize("model", [Account, Movement])
def test_a_row_can_be_opened_and_not_changed(staff, available, model):
    row = model.objects.latest("id")
    page = f"/admin/ledger/{model._meta.model_name}/{row.pk}"
    before = model.objects.values().get(pk=row.pk)

    assert staff.get(f"{page}/change/").status_code == 200
    assert staff.post(f"{page}/change/", {"balance": "5", "units": "5"}).status_code == 403
    assert staff.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert staff.get(f"/admin/ledger/{model._meta.model_name}/add/").status_code == 403
    assert model.objects.values().get(pk=row.pk) == before


@pytest.mark.parametrize("model", ["account", "movement"])
def test_there_are_no_actions(staff, available, model):
    chosen = {"action": "delete_selected", "_selected_action": ["1"], "post": "yes"}
    before = Account.objects.count(), Movement.objects.count()

    staff.post(f"/admin/ledger/{model}/", chosen)

    assert (Account.objects.count(), Movement.objects.count()) == before
