"""Where recipients are sent back to: a corpus of what tries to lead them elsewhere."""

import pytest

from payments.redirects import RedirectInvalid, check_redirect, redirect_with

HOSTS = ["shop.example.com", "xn--bcher-kva.example"]


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com",
        "https://shop.example.com/",
        "https://shop.example.com/back?order=1456&to=%2Fhome#paid",
        "https://SHOP.example.com/back",
        "https://shop.example.com:443/back",
        "https://shop.example.com?order=1",
        "https://xn--bcher-kva.example/zur%C3%BCck",
        "https://shop.example.com/@evil.example/https://evil.example",
    ],
)
def test_a_registered_host_may_be_returned_to(url):
    assert check_redirect(url, hosts=HOSTS) in HOSTS


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///shop.example.com/",
        "https:/shop.example.com/",
        "https:shop.example.com",
        "//shop.example.com/",
        "/back",
        "shop.example.com",
        "http://shop.example.com/",
        "HTTPS://shop.example.com/",
        "ftp://shop.example.com/",
        "javascript:alert(1)//https://shop.example.com",
        "data:text/html,https://shop.example.com/",
        "view-source:https://shop.example.com/",
        " https://shop.example.com/",
        "https://shop.example.com/ ",
        "https://shop.example.com/a b",
        "https://shop.example.com\n",
        "https://shop.example.com/\r\nLocation: https://evil.example",
        "https://shop.example.com/\x00",
        "https://shop.example.com/\x7f",
        "https://shop.example.com\t.evil.example/",
        "https://evil.example/",
        "https://evil.example/shop.example.com",
        "https://evil.example?shop.example.com",
        "https://evil.example#shop.example.com",
        "https://evil.example\\.shop.example.com/",
        "https://evil.example\\@shop.example.com/",
        "https://shop.example.com\\@evil.example/",
        "https://shop.example.com/\\evil.example",
        "https:\\\\shop.example.com/",
        "https://shop.example.com@evil.example/",
        "https://ada@shop.example.com/",
        "https://ada:secret@shop.example.com/",
        "https://shop.example.com:8443/",
        "https://shop.example.com:/",
        "https://shop.example.com:443@evil.example/",
        "https://shop.example.com.evil.example/",
        "https://shop.example.com./",
        "https://evilshop.example.com/",
        "https://.shop.example.com/",
        "https://sub.shop.example.com/",
        "https://example.com/",
        "https://*.example.com/",
        "https://shop%2Eexample.com/",
        "https://shop.example.com%2F@evil.example/",
        "https://shop.example.com%00.evil.example/",
        "https://shop．example．com/",
        "https://shop。example.com/",
        "https://ѕhop.example.com/",
        "https://bücher.example/",
        "https://shop.example.com/\u202e",
        "https://shop.example.com/zurück",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://shop.example.com/" + "a" * 2048,
    ],
)
def test_nobody_is_led_elsewhere(url):
    with pytest.raises(RedirectInvalid):
        check_redirect(url, hosts=HOSTS)


def test_a_host_that_is_no_longer_registered_is_no_longer_returned_to():
    with pytest.raises(RedirectInvalid):
        check_redirect("https://shop.example.com/", hosts=[])


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://a.example", "https://a.example/?payment_id=pay_1"),
        ("https://a.example/x?y=1", "https://a.example/x?y=1&payment_id=pay_1"),
        ("https://a.example/x?y=%2B+z#top", "https://a.example/x?y=%2B+z&payment_id=pay_1#top"),
        ("https://a.example/x?payment_id=pay_2&y", "https://a.example/x?y&payment_id=pay_1"),
        ("https://a.example/x?payment%5Fid=pay_2", "https://a.example/x?payment_id=pay_1"),
    ],
)
def test_the_payment_is_named_once_and_nothing_else_changes(url, sent):
    assert redirect_with(url, payment_id="pay_1") == sent
