"""The generated secrets: private, kept, and whole."""

import json

from zopay_site.embedded import secrets_file


def test_secrets_are_made_once_and_readable_by_us_alone(tmp_path):
    first = secrets_file.load(tmp_path)
    second = secrets_file.load(tmp_path)

    assert first == second
    assert set(first) == set(secrets_file.NAMES)
    assert min(len(secret) for secret in first.values()) == 64
    assert len(set(first.values())) == len(first)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_an_older_version_did_not_know_is_added(tmp_path):
    old = secrets_file.load(tmp_path)
    del old["SIGNING_KEYS"]
    (tmp_path / "secrets.json").write_text(json.dumps(old))

    new = secrets_file.load(tmp_path)

    assert new["SIGNING_KEYS"]
    assert {name: new[name] for name in old} == old


def test_writing_leaves_no_other_file_behind(tmp_path):
    secrets_file.write_private(tmp_path / "demo.json", "{}")

    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]
