"""What ``make train`` adds to what was typed, before Hydra reads it."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile

from adain.runtime.conf import group_choices
from adain.runtime.errors import UserError
from adain.runtime.launched import launched_outside
from adain.runtime.quoting import quote


def choose_recipe() -> None:
    """Take the experiment of a model's own name where there is one and none is typed: the default is AdaIN's."""
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    name = given.get("model")
    typed = any(key.lstrip("+~") == "experiment" for key in given)
    if not typed and name in group_choices("train", "experiment"):
        sys.argv.append(f"experiment={name}")


def keep_to_one_folder() -> None:
    """Only rank 0 keeps a folder where torchrun or srun starts the command in every rank: time stamps would differ.

    Raises:
        UserError: If every rank would run a whole sweep.
    """
    outside = launched_outside()
    if outside is None or outside[1] == 1:
        return
    if {"-m", "--multirun"} & set(sys.argv):
        raise UserError(
            f"each of the {outside[1]} processes that were started here would run the whole sweep: start --multirun once, "
            "with strategy=ddp trainer.devices=N; every job then starts its own processes"
        )
    if outside[0] == 0:
        return
    sys.argv.append("hydra.output_subdir=null")
    if not any(argument.startswith("hydra.run.dir=") for argument in sys.argv):
        elsewhere = tempfile.mkdtemp(prefix="adain-rank-")
        atexit.register(shutil.rmtree, elsewhere, ignore_errors=True)
        sys.argv.append(f"hydra.run.dir={quote(elsewhere)}")
