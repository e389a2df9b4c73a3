"""The locks: in step with what they lock, and naming no place of one machine."""

import shutil

from zopay_site.embedded import home, locks


def test_the_locks_are_in_step():
    assert locks.complaints(home.ROOT) == []


def copy_of_locks(folder):
    for name in ("requirements", "requirements-dev"):
        for ending in ("in", "txt"):
            shutil.copy(home.ROOT / f"{name}.{ending}", folder)
    return folder


def test_a_new_requirement_without_a_new_lock_is_noticed(tmp_path):
    copy_of_locks(tmp_path)
    with (tmp_path / "requirements.in").open("a") as file:
        file.write("segno==1.6.6  # forgotten in the lock\n")

    assert [line.split(":")[0] for line in locks.complaints(tmp_path)] == [
        "requirements.txt has no segno==1.6.6",
        "requirements-dev.txt has no segno==1.6.6",
    ]


def test_a_pin_that_differs_between_the_two_locks_is_noticed(tmp_path):
    copy_of_locks(tmp_path)
    lock = tmp_path / "requirements-dev.txt"
    lock.write_text(lock.read_text().replace("\nredis==8.1.0 ", "\nredis==8.0.0 "))

    complaints = locks.complaints(tmp_path)

    assert complaints == [
        "requirements-dev.txt has no redis==8.1.0: compile it again, its first lines say how.",
        "redis is {'8.1.0'} in requirements.txt but {'8.0.0'} in requirements-dev.txt.",
    ]


def test_an_index_of_one_machine_is_noticed(tmp_path):
    copy_of_locks(tmp_path)
    lock = tmp_path / "requirements.txt"
    lock.write_text("--index-url https://example.com/simple\n" + lock.read_text())

    assert locks.complaints(tmp_path) == [
        "requirements.txt names a place to download from; that is each machine's own."
    ]


def test_a_pin_without_a_hash_is_noticed(tmp_path):
    copy_of_locks(tmp_path)
    lock = tmp_path / "requirements.txt"
    lock.write_text(lock.read_text() + "segno==1.6.6\n")

    assert "requirements.txt has no hash for segno==1.6.6." in locks.complaints(tmp_path)
