"""``engine=ray`` on a cluster of its own, started and stopped here: what the local engine makes, also after a kill."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.hosts import ADDRESSES, inside, kill, title, two_hosts, vanish
from tests.helpers.pictures import draw

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="a head is started on Linux only")]

CONTENTS, COPIES = 80, 4  # 320 pictures: five blocks of jobs
BOUND = 400  # seconds that each step may take on a machine that does much else; alone it is a tenth of that

BUSY = "this machine is too busy for Ray, which gives itself 30 seconds to start"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Contents of three sizes in two labels, one of them unreadable; styles, one broken."""
    root = tmp_path_factory.mktemp("ray")
    for i in range(CONTENTS):
        draw(root / "content" / ("cats" if i % 2 else "a = b") / f"{i}.png", i, (40 + 7 * (i % 3), 48))
    for i in range(4):
        draw(root / "style" / f"{i}.png", 100 + i, (20 + i, 24))
    (root / "content" / "cats" / "broken.jpg").write_bytes(b"no picture")
    (root / "style" / "broken.png").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where a head and what joins it find the token that it asks for."""
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text("0123456789abcdef" * 4)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {
        **kept, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_agent_register_timeout_ms": "120000",
        "RAY_memory_monitor_refresh_ms": "0",  # else it ends our actors where the machine's other work takes its memory
    }  # fmt: skip


@pytest.fixture(scope="module")
def head(environment: dict[str, str]) -> Iterator[str]:
    """The address of a head on this machine."""
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        for each in (one, two, three):
            each.bind(("127.0.0.1", 0))
        port, client, agent = (each.getsockname()[1] for each in (one, two, three))
    ports = (f"--port={port}", f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}")
    with node(environment, "--head", *ports, "--node-ip-address=127.0.0.1"):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def node(environment: dict[str, str], *options: str, host: str | None = None) -> Iterator[None]:
    """A node with one core: the hardest case, as the networks and saving must share it."""
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # pytest's is too long for the sockets in it
    log = folder / "log"
    start = [
        *on(host), sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", *options,
        "--disable-usage-stats", f"--object-store-memory={200 * 2**20}",
    ]  # fmt: skip
    if "--head" in options:
        start += ["--include-dashboard=false", f"--temp-dir={folder}"]
    with log.open("w") as file:
        process = subprocess.Popen(start, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + BOUND
        while "Ray runtime started" not in log.read_text():
            if "timed out during startup" in log.read_text():
                pytest.skip(BUSY)
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.5)
        yield
    finally:
        process.terminate()  # not `ray stop`, which ends every Ray of this machine
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def on(host: str | None) -> list[str]:
    """What a command begins with to run on a host."""
    return [] if host is None else ["ip", "netns", "exec", host]


def words(folders: Path, out: str, *more: str) -> list[str]:
    given = [f"{key}={folders / key}" for key in ("content", "style")]
    shared = ["decoder=reference", f"styles_per_picture={COPIES}", f"out={folders / out}", f"logs={folders / 'logs'}"]
    return [sys.executable, "-m", "adain.cli.stylize_dataset", *given, *shared, *more]


def rows(out: Path, kind: str = "manifest") -> list[str]:
    return sorted((out / f"{kind}-00000-of-00001.jsonl").read_text().splitlines())


def same(one: Path, other: Path) -> None:
    """Names, pixels, rows, what was passed over, and nothing half made."""
    assert rows(one) == rows(other)
    assert len(rows(one)) == CONTENTS * COPIES
    assert rows(one, "unreadable") == rows(other, "unreadable")
    found = [sorted(path.relative_to(out) for path in out.rglob("*.png")) for out in (one, other)]
    assert found[0] == found[1] == sorted(Path(json.loads(row)["output"]) for row in rows(one))
    for name in found[0]:
        assert np.array_equal(np.asarray(Image.open(one / name)), np.asarray(Image.open(other / name)))
    assert not list(other.rglob(".part-*"))


@pytest.fixture(scope="module")
def local(folders: Path, environment: dict[str, str]) -> Path:
    done = subprocess.run(words(folders, "local"), env=environment, capture_output=True, text=True, timeout=BOUND)
    assert_made_but_for_the_broken(done)
    return folders / "local"


def assert_made_but_for_the_broken(done: subprocess.CompletedProcess[str]) -> None:
    """What cannot be read is skipped and makes the command fail at its end."""
    assert done.returncode == 1, done.stderr
    assert "skipped" in done.stderr.splitlines()[-1], done.stderr


def test_a_cluster_makes_the_same_and_goes_on_after_a_kill(
    folders: Path, environment: dict[str, str], head: str, local: Path
) -> None:
    command = words(folders, "cluster", "engine=ray", f"ray.address={head}")
    out, end = folders / "cluster", time.monotonic() + BOUND
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as killed:
        while not list(out.rglob("*.png")):
            assert killed.poll() is None, killed.stderr and killed.stderr.read().decode()
            assert time.monotonic() < end
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert 0 < len(before) < CONTENTS * COPIES
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=BOUND)
    assert_made_but_for_the_broken(done)
    assert f"made          {CONTENTS * COPIES - len(before)} pictures, {len(before)} were there already" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    same(local, out)


def test_ray_on_this_machine_makes_the_same_beside_another_cluster(
    folders: Path, environment: dict[str, str], head: str, local: Path
) -> None:
    command = words(folders, "alone", "engine=ray", "ray.cpus=2")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=BOUND)
    if "timed out during startup" in done.stderr:
        pytest.skip(BUSY)
    assert_made_but_for_the_broken(done)
    same(local, folders / "alone")


def test_a_cluster_that_wants_a_token_is_one_sentence(folders: Path, environment: dict[str, str], head: str) -> None:
    without = {name: value for name, value in environment.items() if not name.startswith("RAY_AUTH")}
    command = words(folders, "refused", "engine=ray", f"ray.address={head}")
    done = subprocess.run(command, env=without, capture_output=True, text=True, timeout=BOUND)
    assert done.returncode == 1
    assert "put RAY_AUTH_MODE=token before the command" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.fixture
def two_nodes(environment: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The address of a cluster of two hosts, and their names. A host that is gone is found in seconds, not in a minute."""
    quick = {f"RAY_health_check_{name}_ms": "1000" for name in ("period", "timeout")}
    with two_hosts() as hosts:
        address = f"{ADDRESSES[0]}:6379"
        head = node(
            {**environment, **quick}, "--head", "--port=6379", f"--node-ip-address={ADDRESSES[0]}", host=hosts[0]
        )
        joined = node(environment, f"--address={address}", f"--node-ip-address={ADDRESSES[1]}", host=hosts[1])
        with head, joined:
            yield address, hosts


def painting(host: str) -> list[int]:
    """The actors of a host that hold the networks and have a block in hand: Ray puts the method into their titles."""
    titles = {pid: title(pid) for pid in inside(host)}
    return [pid for pid, words in titles.items() if b"_Paint" in words and b".submit" in words]


@pytest.mark.parametrize("lost", [False, True])
def test_two_nodes_make_the_same_also_when_one_is_lost(
    lost: bool, folders: Path, environment: dict[str, str], two_nodes: tuple[str, list[str]], local: Path
) -> None:
    """The first node waits until the second has a block in hand. Where the second is lost, it is lost with that block."""
    address, hosts = two_nodes
    out, end = folders / f"two nodes, {lost}", time.monotonic() + BOUND
    command = [*on(hosts[0]), *words(folders, out.name, "engine=ray", f"ray.address={address}")]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:

        def wait(what: Callable[[], object]) -> None:
            while not what():
                assert running.poll() is None, running.communicate()
                assert time.monotonic() < end
                time.sleep(0.02)

        try:
            wait(lambda: painting(hosts[0]))
            (first,) = painting(hosts[0])
            os.kill(first, signal.SIGSTOP)
            wait(lambda: painting(hosts[1]))
            if lost:
                kill(inside(hosts[1]), signal.SIGSTOP)
            os.kill(first, signal.SIGCONT)
            wait(lambda: list(out.rglob("*.png")))
            assert len(rows(out)) < CONTENTS * COPIES
            if lost:
                vanish(hosts[1])
            outputs = running.communicate(timeout=BOUND)
        finally:
            running.kill()
    assert_made_but_for_the_broken(subprocess.CompletedProcess(command, running.returncode, *outputs))
    assert f"made          {CONTENTS * COPIES} pictures" in outputs[0]
    same(local, out)
