"""Check that the optional packages which a configuration needs are installed, before a folder is made for it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from omegaconf import DictConfig, OmegaConf

from adain.runtime.errors import UserError
from adain.runtime.extras import install_command


def check_extras(command: str, config: DictConfig) -> None:
    """Check the packages of every choice that needs one.

    Raises:
        UserError: If one is missing. The message names its extra and how to install it.
    """
    for choice, extra, modules in _needs(command, config):
        if missing := [module for module in modules if find_spec(module) is None]:
            raise UserError(
                f"{choice} needs the package {missing[0]} of the extra `{extra}`, which is not installed: "
                f"{install_command(extra)}"
            )


def _needs(command: str, config: DictConfig) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each choice that needs an extra, the extra, and its modules."""

    def target(key: str) -> str:
        return str(OmegaConf.select(config, f"{key}._target_"))

    if target("data").endswith("kinds.hub"):
        yield "data=hub", "hub", ("datasets",)
    if "TensorBoardLogger" in target("logger.tensorboard") and find_spec("tensorboardX") is None:
        yield "logger=tensorboard", "tensorboard", ("tensorboard",)
    if command == "compare":
        yield "drawing the figures", "compare", ("matplotlib",)
    if command == "demo":
        yield "the page", "demo", ("gradio",)
    if command == "export" and config.onnx:
        yield "onnx=true", "export", ("onnx", "onnxruntime", "onnxscript")
    if command == "bench" and config.bench == "video":
        yield "bench=video", "video", ("av",)
    if command == "stylize_dataset" and config.engine == "ray":
        yield "engine=ray", "ray", ("ray", "pyarrow")
