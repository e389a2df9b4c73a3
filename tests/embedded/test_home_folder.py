"""The folder of all state: private, recognised, one command at a time, emptied with care."""

import os

import pytest

from zopay_site.embedded import home
from zopay_site.embedded.say import Stop


def test_a_new_home_is_closed_to_others(tmp_path):
    place = home.make(tmp_path / "with spaces in it" / "zopay")

    assert place.stat().st_mode & 0o777 == 0o700


def test_a_home_is_recognised_the_second_time(tmp_path):
    place = home.make(tmp_path / "home")

    assert home.make(place) == place


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")

    with pytest.raises(Stop, match="was not made by Zopay"):
        home.make(tmp_path)
    with pytest.raises(Stop, match="stays as it is"):
        home.empty(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_starting_over_forgets_all_but_the_servers_of_the_tests(tmp_path):
    place = home.make(tmp_path / "home")
    (place / "pgdata").mkdir()
    (place / "secrets.json").write_text("{}")
    (place / "test").mkdir()

    home.empty(place)

    assert sorted(path.name for path in place.iterdir()) == ["ZOPAY_HOME", "logs", "test"]


def test_starting_over_does_not_follow_a_link_out_of_the_home(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.txt").write_text("three years of work")
    place = home.make(tmp_path / "home")
    (place / "pgdata").symlink_to(outside)

    home.empty(place)

    assert (outside / "thesis.txt").exists()


def test_only_one_command_at_a_time_has_a_home(tmp_path):
    place = home.make(tmp_path / "home")
    lock = home.take(place, who="bin/up")

    assert home.take(place, who="bin/manage") is None
    assert home.holder(place) == "bin/up"
    with pytest.raises(Stop, match=r"bin/up is already running\."):
        home.take_for_up(place)

    lock.release()
    assert home.holder(place) is None


def test_a_lock_ends_with_who_held_it(tmp_path):
    place = home.make(tmp_path / "home")
    pid = os.fork()
    if pid == 0:
        home.take(place, who="bin/up")
        os._exit(0)
    os.waitpid(pid, 0)

    assert home.holder(place) is None


def test_a_relative_home_is_beside_manage_py(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOPAY_HOME", ".elsewhere")

    assert home.place() == home.ROOT / ".elsewhere"
