"""Fixtures of the whole suite, and what CI makes of a skip."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Generator, Iterator
from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Triton reads this when it is first imported: its kernels are then interpreted, on a CPU too. make test-gpu compiles them.
os.environ["TRITON_INTERPRET"] = "0" if os.environ.get("ADAIN_TEST_GPU") else "1"

import pytest
from omegaconf import OmegaConf

from adain.runtime.fetch import cache_folder
from tests.helpers.settings import ROOT

if TYPE_CHECKING:  # the process that only deals out the tests need not import torch before it starts the workers
    import torch

    from adain.nn.encoder import Encoder
    from tests.helpers.runners import Run

pytest_plugins = ["pytester"]  # the hooks below have tests
SKIPS_IN_CI = {
    "needs a GPU: make test-gpu": "which CI has not",
    "needs the extra `deepspeed`": "which is built for GPUs",
    "this machine is too busy for Ray": "which gives itself 30 seconds to start",
    "the LPIPS weights are not in the cache": "set-up leaves them to who asks for that metric",
    "permissions do not bind root": "containers run as root",
    "ADAIN_REFERENCE_PORT names no checkout": "the port is a repository of its own, and no package",
}


LONGEST = ("tests/keys/test_keys.py", "tests/cli/test_sweep.py", "tests/training/test_resume.py")
"""Modules that take longest. They come first, so that the last one to end does not leave the other core idle."""


@pytest.fixture(scope="session", autouse=True)
def closed() -> Iterator[None]:
    """Nothing outside counts, nor for child processes: no network, one cache whatever HOME is, no W&B login.

    Nor does the processor: in this process ``trainer.precision=auto`` is float32 where a test says nothing else.
    """
    from adain.nn.weights import read_state

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAIN_CACHE", str(cache_folder()))
        patch.setenv("PYTHONPATH", f"{ROOT / 'tests' / 'helpers' / 'closed'}{os.pathsep}{ROOT}", prepend=os.pathsep)
        patch.setenv("NETRC", os.devnull)
        for name in ("WANDB_API_KEY", "WANDB_MODE"):
            patch.delenv(name, raising=False)
        patch.setattr("adain.training.precision.fastest_precision", lambda device: "32-true")
        patch.setattr("adain.nn.encoder.read_state", lru_cache(2)(read_state))  # of verified files: read 80 MB once
        patch.setattr(OmegaConf, "load", staticmethod(_load_once))  # composing reads the same twenty files each time
        import_module("tests.helpers.closed.sitecustomize")
        yield


def _load_once(file: Any) -> Any:
    """Load a YAML file as OmegaConf does; of those that Hydra opens, parse the same text only once."""
    if not hasattr(file, "read"):
        return load_yaml(file)
    return pickle.loads(_parsed(getattr(file, "name", "<file>"), file.read()))


@cache
def _parsed(name: str, text: str) -> bytes:
    stream = io.StringIO(text)
    stream.name = name  # for messages
    return pickle.dumps(load_yaml(stream))


load_yaml = OmegaConf.load


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The real, verified VGG-19."""
    from adain.nn.encoder import Encoder

    return Encoder.load("vgg19_normalized")


@pytest.fixture
def pictures() -> torch.Tensor:
    """Two smooth random pictures, 2 x 3 x 48 x 40."""
    from tests.helpers.tensors import smooth_tensor

    return smooth_tensor(7, 48, 40, count=2)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One training that many tests look at: ``experiment=smoke`` with W&B offline."""
    from tests.helpers.runners import Run, command, latest_run

    cwd = tmp_path_factory.mktemp("smoke")
    done = command("train", "experiment=smoke", "model.widths=[32,64,128]", "trainer.precision=32-true", cwd=cwd)
    return Run(latest_run(cwd), done.returncode, done.stdout, done.stderr)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))  # the others keep their order


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    return _fail_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return _fail_if_skipped((yield))


def _fail_if_skipped(report: Any) -> Any:
    """In CI everything is installed: a test that skips there would never run again, and nobody would know."""
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[-1])
        if not any(known in reason for known in SKIPS_IN_CI):
            report.outcome, report.longrepr = (
                "failed",
                f"{reason}: in CI only the reasons in tests/conftest.py may skip",
            )
    return report
