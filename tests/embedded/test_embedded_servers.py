"""The servers out of wheels: real, private, durable, as root and as anybody.

Each test has a home of its own, in a folder with spaces and quotes in its name.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
import redis

from zopay_site.embedded import children, home, postgres, secrets_file, valkey
from zopay_site.embedded.say import Stop

AS_ROOT = os.geteuid() == 0
CHILD = home.ROOT / "zopay_site" / "embedded" / "child.py"
USE = "SELECT current_user, current_setting('fsync'), current_setting('listen_addresses')"


@pytest.fixture
def place(tmp_path):
    return home.make(tmp_path / 'a "home" of its own')


@pytest.fixture
def server(place):
    server = postgres.start(place)
    yield server
    server.stop()


def ask(url, query):
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query).fetchone()


def test_postgresql_listens_on_loopback_alone_and_keeps_what_it_commits(server):
    query = """SELECT current_setting('server_version_num')::int / 10000,
        current_setting('fsync'), current_setting('synchronous_commit'),
        current_setting('listen_addresses')"""

    assert ask(server.url, query) == (18, "on", "on", "127.0.0.1")


def test_postgresql_wants_the_password(server):
    wrong = server.url.replace(":", ":wrong", 2).replace(":wrong//", "://")

    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(wrong)


def test_our_user_may_make_databases_but_is_no_superuser(server):
    query = "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'zopay'"

    assert ask(server.url, query) == (False, True, False)


def test_the_password_is_in_no_argument(server):
    password = secrets_file.load(server.child.home)["POSTGRES_PASSWORD"]

    assert password.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()


def test_postgresql_recovers_from_kill_9_on_the_same_port(place, server):
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (units numeric)")
        connection.execute("INSERT INTO kept VALUES (42)")

    server.kill()
    again = start_again(place, server.port)

    try:
        assert again.port == server.port
        assert ask(again.url, "SELECT units FROM kept") == (42,)
    finally:
        again.stop()


def start_again(place, port):
    """The killed server's last clients may hold its memory for a moment longer."""
    for _ in range(50):
        with contextlib.suppress(Stop):
            return postgres.start(place, port=port)
    raise AssertionError("PostgreSQL did not come back")


def test_a_lock_whose_pid_came_round_to_another_program_is_no_hindrance(place):
    postgres.start(place).stop()
    # Ours, alive, and not PostgreSQL: it would refuse to start by itself.
    lock = place / "pgdata" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{place / 'pgdata'}\n")

    server = postgres.start(place)

    assert ask(server.url, "SELECT 1") == (1,)
    server.stop()


def test_lost_secrets_are_a_sentence(place):
    postgres.start(place).stop()
    (place / "secrets.json").unlink()

    with pytest.raises(Stop, match="made with another password"):
        postgres.start(place)


def test_files_half_made_are_made_again(place):
    (place / "pgdata.new").mkdir()
    (place / "pgdata.new" / "PG_VERSION").write_text("18")

    server = postgres.start(place)

    assert ask(server.url, "SELECT 1") == (1,)
    server.stop()


def test_a_server_for_tests_does_not_wait_for_the_disk(place):
    server = postgres.start(place, durable=False)

    assert ask(server.url, "SELECT current_setting('fsync')") == ("off",)
    server.stop()


@pytest.mark.skipif(not AS_ROOT, reason="only root has to become somebody else")
def test_under_root_postgresql_runs_as_nobody_and_closed_folders_stay_closed(server, tmp_path):
    tmp_path.chmod(0o700)
    status = Path(f"/proc/{server.pid}/status").read_text()

    assert "\nUid:\t65534\t65534\t65534\t65534\n" in status
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert server.child.home.stat().st_mode & 0o777 == 0o700


MAY_IT = "import os, sys; print(os.geteuid(), os.access(sys.argv[1], os.R_OK | os.X_OK))"


@pytest.mark.skipif(not AS_ROOT, reason="only root has to become somebody else")
def test_under_root_programs_in_a_folder_closed_like_that_of_root_may_be_asked_for(tmp_path):
    closed = tmp_path / "root"
    closed.mkdir(mode=0o700)
    program = closed / "postgres"
    program.touch(mode=0o755)
    (files := tmp_path / "files").mkdir()
    line = [sys.executable, str(CHILD), str(os.getpid()), "9", str(files)]
    line += [sys.executable, "-c", MAY_IT, str(program)]

    # PostgreSQL asks access(2) for its own programs before it runs any.
    answer = subprocess.run(line, capture_output=True, text=True, check=False)

    assert answer.stdout == "65534 True\n", answer.stderr


START_AND_ASK = textwrap.dedent("""
    import pathlib, sys
    sys.path.insert(0, sys.argv[1])
    import psycopg
    from zopay_site.embedded import home, postgres
    server = postgres.start(home.make(pathlib.Path(sys.argv[2])))
    print(*psycopg.connect(server.url).execute(sys.argv[3]).fetchone())
    server.stop()
""")


def may_namespace():
    line = ["unshare", "--user", "--map-root-user", "true"]
    return shutil.which("unshare") and subprocess.run(line, check=False).returncode == 0


@pytest.mark.skipif(not may_namespace(), reason="this machine forbids user namespaces")
def test_a_root_that_cannot_become_nobody_uses_a_namespace(tmp_path):
    # Mapped to one user alone, as in a rootless container: no nobody to become.
    line = ["unshare", "--user", "--map-root-user", sys.executable, "-c", START_AND_ASK]
    line += [str(home.ROOT), str(tmp_path / "home"), USE]

    answer = subprocess.run(line, capture_output=True, text=True, check=False)

    assert answer.stdout == "zopay on 127.0.0.1\n", answer.stderr


AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable]
RUN_ITSELF = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"


def nobody_may_run_python():
    line = [*AS_NOBODY, "-c", RUN_ITSELF]
    may = AS_ROOT and shutil.which("setpriv")
    return may and subprocess.run(line, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not nobody_may_run_python(), reason="this Python is root's alone")
def test_an_ordinary_user_needs_nothing_special():
    # Not under tmp_path, which is closed to everybody but root.
    with TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        line = [*AS_NOBODY, "-c", START_AND_ASK, str(home.ROOT), f"{folder}/home", USE]

        answer = subprocess.run(line, capture_output=True, text=True, check=False)

    assert answer.stdout == "zopay on 127.0.0.1\n", answer.stderr


def test_valkey_wants_the_password_and_never_evicts(place):
    server = valkey.start(place)
    password = secrets_file.load(place)["VALKEY_PASSWORD"]
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as stranger:
            stranger.sendall(b"PING\r\n")
            assert stranger.recv(100).startswith(b"-NOAUTH")
        with redis.Redis.from_url(server.url) as client:
            settings = client.config_get("maxmemory-policy", "appendonly", "bind")
        assert settings == {
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "bind": "127.0.0.1",
        }
        assert password.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
        assert (place / "valkey.conf").stat().st_mode & 0o777 == 0o600
    finally:
        server.stop()


def test_valkey_keeps_its_messages_over_kill_9(place):
    server = valkey.start(place)
    with redis.Redis.from_url(server.url) as client:
        client.lpush("celery", "a nudge")
    server.kill()

    again = valkey.start(place, port=server.port)

    with redis.Redis.from_url(again.url) as client:
        assert client.lrange("celery", 0, -1) == [b"a nudge"]
    again.stop()


def test_nothing_is_left_of_servers_that_were_stopped(place):
    servers = [postgres.start(place), valkey.start(place)]
    for server in servers:
        server.stop()

    assert [children.began(server.pid) for server in servers] == [None, None]
    assert list((place / "pids").iterdir()) == []
