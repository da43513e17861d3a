"""What every key does: with another value than its default, something that can be seen is different.

``TABLE`` has a section for each file of ``conf/``, and in it a row for each of the file's keys. ``EXEMPT`` has the keys
without one, by their reasons.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.keys import seen as see
from tests.keys.commands import Settings


class Key:
    """A row.

    Args:
        value: Other than without it.
        seen: What is then different, all of it.
        given: More settings, in both runs: those that the key needs to matter.
        shared: What is seen is this key's alone, so that the section's rows with this word are tried in one run.
    """

    def __init__(self, value: Any, *seen: Any, given: Settings = (), shared: str = "") -> None:
        self.value, self.seen, self.given, self.shared = value, seen, given, shared


class Section(NamedTuple):
    """A file's rows.

    Attributes:
        command: That is run.
        given: Its settings in every run.
        keys: By full name; several rows where a key does several things.
        slow: Whether its runs take more than the rest together: those of whole comparisons and benchmarks.
    """

    command: str
    given: Settings
    keys: dict[str, Key | list[Key]]
    slow: bool = False


TINY = (
    "experiment=smoke", "data.num_workers=0", "trainer.precision=32-true", "data.crop=16", "data.resize=20",
    "data.val_size=16", "data.val_pairs=1", "data.batch_size=1", "trainer.max_steps=1",
    "trainer.val_check_interval=1", "logger=none", "trainer.enable_progress_bar=false",
)  # fmt: skip
NO_WEIGHTS = "encoder.weights=INPUTS/no.pth"
WIDTHS = "model.widths=[8,8,8]"
ADAIN = (*TINY, WIDTHS, "model.init=INPUTS/start/last.ckpt")
RANDOM = ("model.init=random",)
MANY = ("data.batch_size=10",)
TWO_STEPS = ("trainer.max_steps=2",)
LEAST_SQUARES = ("model.init=least_squares", "model.start_pictures=2", "model.start_patches=200")
SWAP = (*TINY, "model=style_swap", "model.widths=[8,8]", "model.init=INPUTS/swap/last.ckpt")
TEXTURE = (
    *TINY, "experiment=texture_network", "data=synthetic", "trainer=cpu", "trainer.log_every_n_steps=1",
    "compare_with=null", "model.style=INPUTS/style/s0.png", "model.style_size=24", "model.width=2", "model.blocks=1",
)  # fmt: skip
FOLDERS = (*ADAIN, "data=folders", "data.content=INPUTS/content", "data.style=INPUTS/style")
HUB = (*ADAIN, "data=hub")
DECODER = "decoder=INPUTS/start/last.ckpt"
STYLIZE = ("content=INPUTS/content/c0.png", "style=INPUTS/style/s0.png", DECODER, "device=cpu")
MIXED = ("style=null", "styles=[INPUTS/style/s0.png,INPUTS/style/s1.png]")
VIDEO = ("content=INPUTS/clip.mp4", "format=mkv")
GATYS = (*STYLIZE, "model=gatys", "decoder=latest", "model.iterations=2")
SWAPPING = ("model=style_swap", "decoder=INPUTS/swap/last.ckpt")
DATASET = ("content=INPUTS/content", "style=INPUTS/style", "out=out", DECODER, "workers=0")
EVALUATE = (
    "content=INPUTS/others", "style=INPUTS/style", "pairs=2", DECODER, "metrics=[content_loss,style_loss_mean]", "size=32",
    "device=cpu", "bootstrap=100",
)  # fmt: skip
SMALL_NETWORK = [
    "model.width=2", "model.blocks=1", "data.batch_size=2", "data.num_workers=0", "trainer.precision=32-true"
]  # fmt: skip
COMPARE = (
    "content=INPUTS/others", "style=INPUTS/style", "device=cpu", "out=out", "memory=false", "repeats=1", "sizes=[32]",
    "losses.size=32", "losses.styles=1", "losses.contents=1", "losses.iterations=[1]", "pictures.size=32", "pictures.rows=1",
    "ablations.size=32", "ablations.styles=1", "ablations.contents=1", "ablations.rows=1", "gatys.iterations=1",
    "checkpoints.style_swap=INPUTS/swap/last.ckpt", "checkpoints.texture_network=INPUTS/texture/last.ckpt",
    "checkpoints.baseline=INPUTS/start/last.ckpt", "checkpoints.concat=INPUTS/concat/best.ckpt",
    "checkpoints.bn_decoder=INPUTS/bn_decoder/best.ckpt", "checkpoints.in_decoder=INPUTS/in_decoder/best.ckpt",
    "normalization.size=32", "normalization.contents=3", "steps.normalization=1", "controls.size=32", "controls.styles=1",
    "controls.contents=1", "controls.alphas=[1]", "controls.style_weights=[1]", "steps.controls=1",
    "recipes.controls=['model.init=random']", f"recipes.normalization={SMALL_NETWORK}",
)  # fmt: skip
SPEED, LOSSES, PICTURES, ABLATIONS, NORMALIZATION, CONTROLS = (
    (f"parts=[{part}]",) for part in ("speed", "losses", "pictures", "ablations", "normalization", "controls")
)
LOGGED = (*ABLATIONS, "checkpoints.texture_network=null", "logger=wandb", "run.name=plain", "out=null")
HERE = [
    "data=synthetic", "data.crop=32", "data.resize=32", "data.val_pairs=1", "data.num_workers=0", "data.batch_size=1",
]  # fmt: skip


HERE_ONLY = f"training={[*HERE, 'trainer.precision=32-true']}"

TRAINED = (
    "parts=[pictures,ablations]", "checkpoints.style_swap=null", "checkpoints.texture_network=null",
    "checkpoints.baseline=null", "steps.style_swap=1", "steps.texture_network=1", "steps.ablations=1", "start_pictures=2",
    "start_patches=200", f"training={HERE}",
)  # fmt: skip
BENCH = (
    "bench=load", "sizes=[16]", "stylize_sizes=[16]", "batch_sizes=[1]", "repeats=1", "least_seconds=0", "memory=false",
    "precisions=[32-true]", "memory_formats=[channels_last]", "pictures=2", "workers=0", "resize=40", "crop=32",
    "content=INPUTS/content", "style=INPUTS/style",
)  # fmt: skip
LISTED = "hydra.sweeper.params={optimizer.lr:'choice(1,2,3,4,5)'}"
OPTUNA = ("sweep=optuna", "hydra.sweeper.sampler.seed=1", "hydra.sweeper.n_trials=2")

STARTS = {
    "start": (*ADAIN, *LEAST_SQUARES),
    "swap": (*SWAP, *LEAST_SQUARES),
    "trained": ADAIN,
    "trained_swap": SWAP,
    "texture": TEXTURE,
    "trained_texture": (*TEXTURE, "seed=2"),
}
"""Runs whose checkpoints others begin with, by the name of their folder in ``INPUTS``."""

TABLE: dict[str, Section] = {
    "train": Section("train", ADAIN, {
        "seed": Key(2, see.first_loss, given=RANDOM),
        "ckpt": Key("INPUTS/trained/last.ckpt", see.steps),
        "logs": Key("records", see.links),
        "cuda_graph": Key(True, see.said("cuda_graph: not used")),
        "draft": Key("a trifle", see.summary("draft")),
        "compare_with": Key("shipped", see.summary("reference")),
        "monitor.metric": Key("val/content", see.best_score, given=TWO_STEPS),
        "monitor.mode": Key("max", see.best_score, see.best_step, given=TWO_STEPS),
        "run.name": Key("fluke", see.asked("name"), given=("logger=wandb",), shared="all"),
        "run.group": Key("pod", see.asked("group"), given=("logger=wandb",), shared="all"),
        "run.tags": Key(["krill"], see.asked("tags"), given=("logger=wandb",), shared="all"),
    }),
    "callbacks/default": Section("train", ADAIN, {
        "callbacks.best.filename": Key("finest", see.names),
        "callbacks.best.enable_version_counter": Key(True, see.names, given=("callbacks.best.dirpath=there",)),
        "callbacks.grid.pairs": Key(1, see.sizes, given=("data.val_pairs=2",)),
    }),
    "callbacks/average": Section("train", (*ADAIN, *TWO_STEPS, "callbacks=average"), {
        "callbacks.average.decay": Key(0.1, see.weights()),
    }),
    "encoder/vgg19_normalized": Section("train", (*ADAIN, NO_WEIGHTS), {
        "encoder.name": Key("vgg19_torchvision", see.error),
        "encoder.weights": Key("INPUTS/mask.png", see.error),
    }),
    "encoder/vgg19_torchvision": Section("train", (*ADAIN, "encoder=vgg19_torchvision", NO_WEIGHTS), {
        "encoder.name": Key("vgg19_normalized", see.error),
        "encoder.weights": Key("INPUTS/mask.png", see.error),
    }),
    "data/base/pairs": Section("train", ADAIN, {
        "data.batch_size": Key(2, see.summary("batch"), shared="all"),
        "data.resize": Key(24, see.train_loss),
        "data.crop": Key(18, see.train_loss),
        "data.style_zoom": Key(1.4, see.train_loss),
        "data.flip": Key(1.0, see.train_loss, given=("data.flip=0.0",)),
        "data.val_size": Key(24, see.widths, shared="all"),
        "data.val_pairs": Key(2, see.held_out, shared="all"),
        "data.seed": Key(5, see.train_loss),
    }),
    "data/synthetic": Section("train", ADAIN, {"data.count": Key(10, see.train_loss)}),
    "data/folders": Section("train", FOLDERS, {
        "data.content": Key("INPUTS/others", see.held_out, see.train_loss),
        "data.style": Key("INPUTS/others", see.held_out, see.train_loss),
        "data.held_out": Key("INPUTS/held_out.txt", see.held_out),
        "data.max_pixels": Key(40 * 40 - 1, see.skipped, given=MANY),
        "data.min_side": Key(22, see.skipped, given=MANY),
        "data.manifest": Key("INPUTS/manifest.sqlite", see.skipped, given=MANY),
    }),
    "data/hub": Section("train", HUB, {
        **{
            f"data.{kind}.{name}": Key(value, see.asked(name, 1 if kind == "content" else 2), shared="all")
            for kind in ("content", "style")
            for name, value in {
                "path": "cave/walls", "split": "test", "column": "photo", "name": "large", "data_files": ["a.parquet"],
                "revision": "v2",
            }.items()
        },
        "data.buffer": Key(7, see.asked("buffer", 1), see.asked("buffer", 2), shared="all"),
        "data.max_pixels": Key(22 * 20 - 1, see.skipped, given=MANY),
        "data.min_side": Key(21, see.skipped, given=MANY),
    }),
    "logger/csv": Section("train", (*ADAIN, "logger=csv"), {"logger.csv.name": Key("ledger", see.names)}),
    "logger/wandb": Section("train", (*ADAIN, "logger=wandb"), {
        "logger.wandb.project": Key("ocean", see.asked("project"), shared="all"),
        "logger.wandb.finish_timeout": Key(7, see.asked("finish_timeout"), shared="all"),
    }),
    "model/adain": Section("train", ADAIN, {
        "model.transfer": Key("concat", see.shapes, given=RANDOM),
        "model.norm": Key("instance", see.shapes, given=RANDOM),
        "model.widths": Key([2, 3, 4], see.shapes, given=RANDOM),
        "model.init": Key("INPUTS/trained/last.ckpt", see.first_loss),
        "model.start_pictures": Key(3, see.first_loss, given=LEAST_SQUARES),
        "model.start_patches": Key(150, see.first_loss, given=LEAST_SQUARES),
        "model.content_weight": Key(3.0, see.first_loss),
        "model.style_weight": Key(3.0, see.first_loss),
        "model.style_reduction": Key("sum", see.first_loss),
        "model.tv_weight": Key(3.0, see.first_loss),
        "model.identity_weight": Key(3.0, see.first_loss),
    }),
    "model/style_swap": Section("train", SWAP, {
        "model.patch_size": Key(2, see.first_loss),
        "model.stride": Key(2, see.first_loss),
        "model.widths": Key([2, 3], see.shapes, given=RANDOM),
        "model.init": Key("INPUTS/trained_swap/last.ckpt", see.first_loss),
        "model.start_pictures": Key(3, see.first_loss, given=LEAST_SQUARES),
        "model.start_patches": Key(150, see.first_loss, given=LEAST_SQUARES),
        "model.tv_weight": Key(3.0, see.first_loss),
    }),
    "model/texture_network": Section("train", TEXTURE, {
        "model.style": Key("INPUTS/style/s1.png", see.first_loss),
        "model.style_size": Key(16, see.first_loss),
        "model.measure": Key("gram", see.first_loss),
        "model.width": Key(3, see.shapes),
        "model.blocks": Key(2, see.shapes),
        "model.norm": Key("batch", see.first_loss),
        "model.color_start": Key(False, see.first_loss),
        "model.content_weight": Key(3.0, see.first_loss),
        "model.style_weight": Key(3.0, see.first_loss),
        "model.tv_weight": Key(3.0, see.first_loss),
    }),
    "optimizer/adam": Section("train", ADAIN, {
        "optimizer.lr": Key(1e-3, see.summary("lr"), see.rate, see.weights()),
        "optimizer.bias_lr": Key(1e-2, see.weights("bias")),
        "optimizer.scale_lr": Key("linear", see.summary("lr"), see.weights(), given=("optimizer.lr_batch=4",)),
        "optimizer.lr_batch": Key(4, see.summary("lr"), see.weights(), given=("optimizer.scale_lr=linear",)),
        "optimizer.betas": [Key([0.1, 0.999], see.weights()), Key([0.9, 0.1], see.weights(), given=TWO_STEPS)],
        "optimizer.schedule": Key("linear", see.rate, see.weights(), given=TWO_STEPS),
        "optimizer.lr_decay": Key(1.0, see.rate, see.weights(), given=TWO_STEPS),
        "optimizer.warmup_steps": Key(5, see.rate, see.weights()),
    }),
    "optimizer/muon": Section("train", (*ADAIN, "optimizer=muon"), {
        "optimizer.lr": Key(1e-2, see.summary("lr"), see.weights("weight")),
        "optimizer.bias_lr": Key(0.01, see.weights("bias")),
        "optimizer.momentum": Key(0.1, see.weights("weight"), given=TWO_STEPS),
        "optimizer.schedule": Key("constant", see.rate, see.weights(), given=TWO_STEPS),
        "optimizer.warmup_steps": Key(0, see.rate, see.weights(), given=("optimizer.schedule=constant",)),
    }),
    "trainer/auto": Section("train", ADAIN, {
        "trainer.precision": Key("bf16-mixed", see.summary("precision"), see.last_loss),
        "trainer.max_steps": Key(2, see.steps),
        "trainer.val_check_interval": Key(2, see.steps, given=TWO_STEPS),
        "trainer.log_every_n_steps": Key(2, see.logged, given=("logger=csv", *TWO_STEPS)),
        "trainer.accumulate_grad_batches": Key(2, see.summary("batch"), see.train_loss),
        "trainer.gradient_clip_val": Key(1e-9, see.weights()),
        "trainer.num_sanity_val_steps": Key(1, see.calls),
        "trainer.enable_model_summary": Key(True, see.said("Trainable params")),
        "trainer.enable_progress_bar": Key(True, see.said("training: "), given=("trainer.max_steps=2",)),
    }),
    "strategy/single": Section("trainer", ADAIN, {"trainer.strategy": Key("ddp", see.strategy_name)}),
    "strategy/ddp": Section("trainer", (*ADAIN, "strategy=ddp"), {
        "trainer.strategy.find_unused_parameters": Key(True, see.ddp("find_unused_parameters"), shared="all"),
        "trainer.strategy.gradient_as_bucket_view": Key(False, see.ddp("gradient_as_bucket_view"), shared="all"),
        "trainer.strategy.bucket_cap_mb": Key(7, see.ddp("bucket_cap_mb"), shared="all"),
        "trainer.strategy.process_group_backend": Key("nccl", see.strategy("process_group_backend"), shared="all"),
        "trainer.strategy.timeout.minutes": Key(2.0, see.strategy("_timeout"), shared="all"),
    }),
    "strategy/fsdp": Section("trainer", (*ADAIN, "strategy=fsdp"), {
        "trainer.strategy.process_group_backend": Key("nccl", see.strategy("process_group_backend"), shared="all"),
        "trainer.strategy.timeout.minutes": Key(2.0, see.strategy("_timeout"), shared="all"),
    }),
    "inference/stylize": Section("stylize", STYLIZE, {
        "content": Key("INPUTS/content/c1.png", see.pictures, see.names),
        "style": Key("INPUTS/style/s1.png", see.pictures, see.names),
        "styles": Key(["INPUTS/style/s1.png"], see.pictures, given=("style=null", "styles=[INPUTS/style/s0.png]")),
        "weights": Key([0.9, 0.1], see.pictures, given=MIXED),
        "masks": Key(["INPUTS/mask.png"], see.pictures),
        "pairing": Key("zip", see.names, given=(
            "content=[INPUTS/content/c0.png,INPUTS/content/c1.png]", "style=[INPUTS/style/s0.png,INPUTS/style/s1.png]",
        )),
        "decoder": Key("INPUTS/run/checkpoints/best.ckpt", see.pictures),
        "alpha": Key(0.5, see.pictures),
        "extrapolate": Key(True, see.error, see.pictures, given=("alpha=1.5",)),
        "preserve_color": Key("coral", see.pictures),
        "grid": Key("alpha", see.pictures),
        "cell": Key(24, see.sizes, given=("grid=alpha",)),
        "out": Key("made.png", see.names),
        "format": Key("webp", see.names),
        "quality": Key(20, see.pictures, given=("format=jpg",)),
        "overwrite": Key(False, see.pictures, given=("out=there/result.png",)),
        "tile": Key(64, see.shapes_seen, given=("content=INPUTS/wide.png",)),
        "stroke": Key(12.0, see.pictures),
        "side": Key(20, see.sizes),
        "max_pixels": Key(32 * 24 - 1, see.error),
        "temporal": Key(0.0, see.video, given=VIDEO),
        "seconds": Key(0.1, see.video, given=VIDEO),
        "crf": Key(45, see.video, given=VIDEO),
        "batch_size": Key(2, see.batches, given=VIDEO),
        "precision": Key("bf16-mixed", see.pictures),
        "logs": Key("records", see.names),
    }),
    "inference/model/gatys": Section("stylize", GATYS, {
        "model.measure": Key("statistics", see.pictures),
        "model.optimizer": Key("adam", see.pictures),
        "model.iterations": Key(3, see.pictures),
        "model.initial": Key("INPUTS/style/s1.png", see.pictures),
        "model.scales": Key(2, see.pictures, given=("content=INPUTS/wide.png", "style=INPUTS/wide.png")),
        "model.content_weight": Key(30.0, see.pictures),
        "model.style_weight": Key(1.0, see.pictures),
        "model.tv_weight": Key(1e7, see.pictures),
        "model.lr": Key(0.2, see.pictures, given=("model.optimizer=adam",)),
    }),
    "inference/model/style_swap": Section("stylize", (*STYLIZE, *SWAPPING), {
        "model.patch_size": Key(2, see.pictures),
        "model.stride": Key(2, see.pictures),
    }),
    "inference/stylize_dataset": Section("stylize_dataset", DATASET, {
        "content": Key("INPUTS/others", see.pictures, see.names),
        "style": Key("INPUTS/others", see.pictures),
        "out": Key("made", see.names),
        "decoder": Key("INPUTS/run/checkpoints/best.ckpt", see.pictures),
        "alpha": Key(0.5, see.pictures),
        "seed": Key(1, see.pictures),
        "styles_per_picture": Key(2, see.names),
        "shards": Key(2, see.names),
        "shard": Key(1, see.names, given=("shards=2",)),
        "size": Key(24, see.sizes),
        "crop": Key(20, see.sizes, given=("size=24",)),
        "style_size": Key(16, see.pictures),
        "max_pixels": Key(40 * 40 - 1, see.error, see.names),
        "format": Key("webp", see.names),
        "quality": Key(20, see.pictures, given=("format=jpg",)),
        "batch_size": Key(4, see.batches),
        "precision": Key("bf16-mixed", see.pictures),
        "cached_styles": Key(1, see.calls),
        "logs": Key("INPUTS/logs", see.pictures, given=("decoder=latest",)),
    }),
    "inference/evaluate": Section("evaluate", EVALUATE, {
        "content": Key("INPUTS/content", see.evaluated("pairs.csv")),
        "style": Key("INPUTS/others", see.evaluated("pairs.csv")),
        "pairs": Key(3, see.evaluated("pairs.csv")),
        "pairing": Key("zip", see.evaluated("pairs.csv")),
        "decoder": Key("INPUTS/run/checkpoints/best.ckpt", see.means),
        "outputs": Key("INPUTS/outputs", see.means, given=("pairing=zip", "pairs=1")),
        "against": Key("INPUTS/run/checkpoints/best.ckpt", see.names),
        "compare": Key(["INPUTS/first", "INPUTS/second"], see.names),
        "metrics": Key(["content_loss"], see.means),
        "losses": Key("port", see.means),
        "motion": Key("pan", see.means, given=("size=64",)),
        "protocol": Key("styleid", see.protocol),
        "precision": Key("bf16-mixed", see.means),
        "size": Key(40, see.means),
        "crop": Key(False, see.means),
        "alpha": Key(0.5, see.means),
        "batch_size": Key(1, see.batches),
        "seed": Key(2, see.evaluated("pairs.csv")),
        "bootstrap": Key(200, see.intervals, given=("pairs=6",)),
        "save_outputs": Key(True, see.names),
        "page_pairs": Key(1, see.page),
        "page_order": Key("content_loss", see.page),
        "weights.lpips_alexnet": Key("INPUTS/mask.png", see.error),
        "weights.lpips_vgg16": Key("INPUTS/mask.png", see.error),
        "weights.inception_fid": Key("INPUTS/mask.png", see.error),
        "weights.art_inception": Key("INPUTS/none.pth", see.error),
        "weights.vgg19_torchvision": Key("INPUTS/mask.png", see.error),
        "weights.inception_torchvision": Key("INPUTS/mask.png", see.error),
        "out": Key("made", see.names),
        "logs": Key("records", see.names),
        "run.name": Key("fluke", see.asked("name"), given=("logger=wandb", "run.name=plain"), shared="all"),
        "run.group": Key("pod", see.asked("group"), given=("logger=wandb", "run.name=plain"), shared="all"),
        "run.tags": Key(["krill"], see.asked("tags"), given=("logger=wandb", "run.name=plain"), shared="all"),
    }),
    "inference/benchmark/none": Section("evaluate", EVALUATE, {
        "benchmark.name": Key("styleid800", see.error),
        "benchmark.pictures": Key("INPUTS/content", see.error),
    }),
    "inference/model/gatys of evaluate": Section("evaluate", (*EVALUATE, "model=gatys", "decoder=latest"), {
        "model.iterations": Key(2, see.means, given=("model.iterations=1",)),
    }),
    "inference/model/style_swap of evaluate": Section("evaluate", (*EVALUATE, *SWAPPING), {
        "model.stride": Key(2, see.means),
    }),
    "inference/compare": Section("compare", COMPARE, {
        "parts": Key(["speed"], see.names, given=ABLATIONS),
        "content": Key("INPUTS/content", see.compared("ablations", "content"), given=LOGGED, shared="all"),
        "style": Key("INPUTS/others", see.compared("ablations", "style"), given=LOGGED, shared="all"),
        "logs": Key("records", see.folders, given=LOGGED, shared="all"),
        "run.name": Key("fluke", see.asked("name"), given=LOGGED, shared="all"),
        "run.group": Key("pod", see.asked("group"), given=LOGGED, shared="all"),
        "run.tags": Key(["krill"], see.asked("tags"), given=LOGGED, shared="all"),
        "sizes": Key([40], see.compared("speed", "size"), given=SPEED, shared="all"),
        "repeats": Key(2, see.compared("speed", "rounds"), see.spread, given=SPEED, shared="all"),
        "speed.gatys_iterations": Key(600, see.compared("speed", "gatys_iterations"), given=SPEED, shared="all"),
        "speed.gatys_done": Key(4, see.compared("speed", "gatys_done"), given=SPEED, shared="all"),
        "losses.size": Key(40, see.shapes_seen, given=LOSSES),
        "losses.styles": Key(2, see.error, given=LOSSES),
        "losses.contents": Key(2, see.compared("losses", "content"), given=LOSSES, shared="all"),
        "losses.iterations": Key([1, 2], see.compared("losses", "iteration"), given=LOSSES, shared="all"),
        "losses.measure": Key("gram", see.figures("losses", "gatys"), given=LOSSES),
        "pictures.size": Key(40, see.made_sizes("pair"), given=PICTURES, shared="which"),
        "pictures.rows": Key(2, see.made("pair"), given=PICTURES, shared="which"),
        "gatys.iterations": Key(2, see.output("pair_0_gatys"), given=PICTURES, shared="how"),
        "checkpoints.adain": Key("INPUTS/start/last.ckpt", see.output("pair_0_adain"), given=PICTURES, shared="how"),
        "checkpoints.style_swap": Key(
            "INPUTS/trained_swap/last.ckpt", see.output("pair_0_style_swap"), given=PICTURES, shared="how"
        ),
        "checkpoints.texture_network": Key(
            "INPUTS/trained_texture/last.ckpt", see.output("pair_0_texture_network"), given=PICTURES, shared="how"
        ),
        "ablations.size": Key(40, see.made_sizes("ablation"), given=ABLATIONS, shared="which"),
        "ablations.styles": Key(2, see.compared("ablations", "style"), given=ABLATIONS, shared="which"),
        "ablations.contents": Key(2, see.compared("ablations", "content"), given=ABLATIONS, shared="which"),
        "ablations.rows": Key(2, see.made("ablation"), given=ABLATIONS, shared="which"),
        "out": Key("made", see.folders, given=ABLATIONS, shared="which"),
        "normalization.size": Key(40, see.picture_sizes("photographs"), given=NORMALIZATION, shared="all"),
        "normalization.contents": Key(2, see.count("photographs"), given=NORMALIZATION, shared="all"),
        "steps.normalization": Key(
            2, see.trained("batch_style", "global_step"), given=NORMALIZATION, shared="all"
        ),
        "recipes.normalization": Key(
            ["model.width=3", *SMALL_NETWORK[1:]],
            see.trained("batch_style", "hyper_parameters", "width"), given=NORMALIZATION, shared="all",
        ),
        "controls.size": Key(40, see.made_sizes("alpha"), given=(*CONTROLS, HERE_ONLY), shared="all"),
        "controls.styles": Key(2, see.compared("alpha", "style"), given=(*CONTROLS, HERE_ONLY), shared="all"),
        "controls.contents": Key(2, see.compared("alpha", "content"), given=(*CONTROLS, HERE_ONLY), shared="all"),
        "controls.alphas": Key([0, 1], see.compared("alpha", "alpha"), given=(*CONTROLS, HERE_ONLY), shared="all"),
        "controls.style_weights": Key(
            [1, 2], see.compared("style_weight", "style_weight"), given=(*CONTROLS, HERE_ONLY), shared="all"
        ),
        "steps.controls": Key(
            2, see.trained("style_weight_1", "global_step"), given=(*CONTROLS, HERE_ONLY), shared="all"
        ),
        "recipes.controls": Key(
            ["model.init=random", "model.tv_weight=0.5"], see.trained("style_weight_1", "hyper_parameters", "tv_weight"),
            given=(*CONTROLS, HERE_ONLY), shared="all",
        ),
        **{
            f"checkpoints.{name}": Key(f"INPUTS/{file}", see.figures("ablations", name), given=ABLATIONS, shared="how")
            for name, file in {
                "baseline": "run/checkpoints/best.ckpt", "concat": "concat/other.ckpt",
                "bn_decoder": "bn_decoder/other.ckpt", "in_decoder": "in_decoder/other.ckpt",
            }.items()
        },
        "steps.ablations": Key(2, see.trained("baseline", "global_step"), given=TRAINED, shared="all"),
        "steps.style_swap": Key(2, see.trained("style_swap", "global_step"), given=TRAINED, shared="all"),
        "steps.texture_network": Key(2, see.trained("texture_network_0", "global_step"), given=TRAINED, shared="all"),
        **{
            f"recipes.{kind}": Key(
                ["model.tv_weight=0.5"], see.trained(name, "hyper_parameters", "tv_weight"), given=TRAINED, shared="all"
            )
            for kind, name in {
                "style_swap": "style_swap", "texture_network": "texture_network_0", "ablations": "baseline"
            }.items()
        },
        "start_pictures": Key(
            3, see.trained("style_swap", "hyper_parameters", "start_pictures"), given=TRAINED, shared="all"
        ),
        "start_patches": Key(
            150, see.trained("style_swap", "hyper_parameters", "start_patches"), given=TRAINED, shared="all"
        ),
        "training": Key([*HERE, "data.crop=24"], see.said_of_systems(r"at \d+ px"), given=TRAINED, shared="all"),
        "seed": Key(2, see.trained("style_swap", "StyleTransferDataModule", "seed"), given=TRAINED, shared="all"),
    }, slow=True),
    "inference/bench": Section("bench", BENCH, {
        "bench": Key("stylize", see.benched("work")),
        "gatys_iterations": Key(4, see.benched("contestant"), given=("bench=stylize", "model=gatys")),
        "sizes": Key([24], see.benched("size"), given=("bench=train",), shared="all"),
        "batch_sizes": Key([2], see.benched("batch"), given=("bench=train",), shared="all"),
        "steps": Key(2, see.calls, given=("bench=train",), shared="all"),
        "stylize_sizes": Key([24], see.benched("size"), given=("bench=stylize",), shared="all"),
        "stylize_batch_sizes": Key([2], see.benched("batch"), given=("bench=stylize",), shared="all"),
        "precisions": Key(["bf16-mixed"], see.benched("precision"), given=("bench=stylize",), shared="all"),
        "memory_formats": Key(["channels_first"], see.benched("memory_format"), given=("bench=stylize",), shared="all"),
        "repeats": Key(2, see.calls, given=("bench=stylize",), shared="all"),
        "profile": Key(True, see.names),
        "content": Key("INPUTS/pair", see.said(r"loading, \d+ pictures"), given=("pictures=5",)),
        "style": Key("INPUTS/pair", see.said(r"loading, \d+ pictures"), given=("pictures=5",)),
        "pictures": Key(3, see.said(r"loading, \d+ pictures")),
        "crop": Key(40, see.benched("size")),
        "wandb": Key(True, see.asked("group")),
    }, slow=True),
    "inference/export": Section("export", (DECODER, "onnx=false"), {
        "decoder": Key("INPUTS/run/checkpoints/best.ckpt", see.exported),
        "out": Key("made", see.names),
        "onnx": Key(True, see.asked("onnx")),
        "logs": Key("INPUTS/logs", see.exported, given=("decoder=latest", "out=out")),
    }),
    "inference/demo": Section("demo", (DECODER, "device=cpu", "port=0"), {
        "decoder": Key("INPUTS/run/checkpoints/best.ckpt", see.painted),
        "side": Key(64, see.painted_size),
        "live_side": Key(32, see.frame_size),
        "max_mb": Key(1e-4, see.painted),
        "max_pixels": Key(300, see.painted),
        "precision": Key("bf16-mixed", see.painted),
        "logs": Key("INPUTS/logs", see.painted, given=("decoder=latest",)),
    }),
    "hydra/sweeper/grid": Section("sweep", (), {
        "hydra.sweeper.params": Key({"optimizer.lr": "1,2,3"}, see.jobs, given=("sweep=learning_rate",)),
    }),
    "hydra/sweeper/optuna": Section("sweep", OPTUNA, {
        "hydra.sweeper.params": Key({"optimizer.lr": "interval(3,4)"}, see.jobs),
        "hydra.sweeper.n_trials": Key(3, see.jobs),
        "hydra.sweeper.n_jobs": Key(2, see.asked("batch")),
        "hydra.sweeper.seeds": Key(3, see.asked("batch")),
        "hydra.sweeper.study_name": Key("whales", see.asked("study"), shared="all"),
        "hydra.sweeper.storage": Key("sqlite:///there/study.db", see.names),
        "hydra.sweeper.pruner.n_startup_trials": Key(2, see.asked("pruner startup"), shared="all"),
        "hydra.sweeper.pruner.n_warmup_steps": Key(2, see.asked("pruner warmup"), shared="all"),
    }),
    "hydra/sweeper/sampler/tpe": Section("sweep", OPTUNA, {
        "hydra.sweeper.sampler.seed": Key(2, see.jobs),
        "hydra.sweeper.sampler.n_startup_trials": Key(1, see.jobs, given=("hydra.sweeper.n_trials=3",)),
        "hydra.sweeper.sampler.constant_liar": Key(False, see.jobs, given=(
            "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=3", "hydra.sweeper.sampler.n_startup_trials=1",
        )),
    }),
    "hydra/sweeper/sampler/nsga2": Section("sweep", (*OPTUNA, "hydra/sweeper/sampler=nsga2"), {
        "hydra.sweeper.sampler.seed": Key(2, see.jobs),
        "hydra.sweeper.sampler.population_size": Key(2, see.jobs, given=("hydra.sweeper.n_trials=5",)),
    }),
    "hydra/sweeper/sampler/random": Section("sweep", (*OPTUNA, "hydra/sweeper/sampler=random"), {
        "hydra.sweeper.sampler.seed": Key(2, see.jobs),
    }),
    "hydra/sweeper/sampler/grid": Section("sweep", (*OPTUNA, "hydra/sweeper/sampler=grid", LISTED), {
        "hydra.sweeper.sampler.seed": Key(2, see.jobs),
    }),
}  # fmt: skip

EXEMPT = {
    "a folder or file within a run's or command's folder": (
        "*: hydra.run.dir", "*: hydra.sweep.*", "*: hydra.output_subdir", "callbacks/default: *.folder", "logger/*: *.folder",
        "callbacks/default: callbacks.best.dirpath", "logger/*: *.save_dir", "trainer/auto: trainer.default_root_dir",
        "inference/bench: logs",
    ),
    "which model a file is of: its rows are those of the choice": ("inference/model/*: model.name",),
    "devices": (
        "*: device", "trainer/*: trainer.accelerator", "trainer/auto: trainer.devices", "trainer/auto: trainer.num_nodes",
    ),
    "several ranks: tests/training/test_ranks.py": ("trainer/auto: trainer.use_distributed_sampler",),
    "a port, and a name of it: tests/demo": ("inference/demo: host", "inference/demo: port", "inference/demo: url"),
    "worker processes: tests/data": ("*: data.num_workers", "*: workers"),
    "another program's, and a process or cluster of its own: tests/launchers": ("hydra/launcher/*",),
    "Ray: tests/inference/dataset/test_cluster.py": ("inference/stylize_dataset: engine", "inference/stylize_dataset: ray.*"),
    "two GPUs: tests/training/test_deepspeed.py": ("strategy/deepspeed: *",),
    "an optional package that no test has": ("logger/tensorboard: *",),
    "a compiler, and a minute: tests/runtime/test_compiling.py": ("train: compile", "inference/bench: compile"),
    "a process of its own for every figure: tests/cli/test_bench.py": ("inference/compare: memory", "inference/bench: memory"),
    "a checkout of another project: tests/evaluation/speed/test_port.py": ("inference/bench: reference",),
    "seen in times alone: tests/evaluation/speed/test_clock.py": ("inference/bench: least_seconds", "inference/bench: resize"),
    "seen where a loss is not a number: tests/training/test_guards.py": ("callbacks/default: callbacks.finite.every_n_steps",),
    "bits of a GPU: tests/runtime/test_precision.py": ("train: tf32",),
    "null for good: an endless stream has no epochs": ("trainer/auto: trainer.check_val_every_n_epoch",),
}  # fmt: skip
"""Keys without a row, as file and key, by the reason."""
