"""A private PostgreSQL server for measurements: own data folder, free port, default settings but for those below."""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import time

# Checkpoints in the middle of a measured load would be noise; the rest is as installed, durability included.
SETTINGS = {"autovacuum": "off", "max_wal_size": "8GB", "checkpoint_timeout": "1h", "shared_buffers": "512MB", "max_connections": "50"}


def program(name):
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = shutil.which(name) or (found and str(found[-1]))
    if not path:
        raise SystemExit(f"bench: {name} is not installed; run scripts/setup bench")
    return path


class Server:
    """A running server; `with` ends it."""

    PASSWORD = "bench"
    DATABASE = "bench"
    PREPARED = "prepared"
    """A database that another one is made of, before each run."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.process = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def as_server_user(self, command):
        # The server refuses to run as root.
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]
        return command

    def __enter__(self):
        data = self.home / "data"
        self.home.mkdir(parents=True)
        password = self.home / "password"
        password.write_text(self.PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(self.home, "postgres", "postgres")
            shutil.chown(password, "postgres", "postgres")
        command = [program("initdb"), "-D", data, "-A", "scram-sha-256", "-U", "postgres", "-E", "UTF8", "--locale=C"]
        command += [f"--pwfile={password}", "--no-sync"]
        subprocess.run(self.as_server_user(command), check=True, stdout=subprocess.DEVNULL)
        settings = SETTINGS | {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.home),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = open(self.home / "log", "wb")
        self.process = subprocess.Popen(
            self.as_server_user([program("postgres"), "-D", data, *options]), stdout=log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + 60
        while subprocess.run([program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"bench: the server did not start:\n{(self.home / 'log').read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.send_signal(2)
        self.process.wait(60)
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def variables(self):
        """What its clients find in their environment."""
        return {"PGPASSWORD": self.PASSWORD, "PGOPTIONS": "-c client_min_messages=warning"}

    def psql(self, database):
        """The beginning of a psql command."""
        return [program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database]

    def execute(self, statements, database="postgres"):
        """What the statements answer, as text."""
        command = [*self.psql(database), "-A", "-t", "-F", "|", "-f", "-"]
        done = subprocess.run(command, input=statements, env=os.environ | self.variables, text=True, capture_output=True)
        if done.returncode:
            raise SystemExit(f"bench: {done.stderr}\n{statements[:2000]}")
        return done.stdout.strip()

    def drop(self, database):
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def fresh(self, database=DATABASE, template="template1"):
        """Makes the database anew: empty, or a copy of another one, so that each system meets the very same files."""
        self.drop(database)
        self.execute(f"CREATE DATABASE {database} TEMPLATE {template} STRATEGY FILE_COPY; CHECKPOINT")

    def url(self, database):
        return f"postgresql://postgres:{self.PASSWORD}@127.0.0.1:{self.port}/{database}?sslmode=disable"
