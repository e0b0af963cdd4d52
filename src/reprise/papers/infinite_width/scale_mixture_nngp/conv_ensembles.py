"""Ensembles of finite convolutional networks whose last layers have scales of their own (claim C5)."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array, Float, Int, PRNGKeyArray

import reprise._x64  # noqa: F401
from reprise.papers.infinite_width.scale_mixture_nngp.classification_study import measure
from reprise.papers.infinite_width.scale_mixture_nngp.evidence import Pair
from reprise.papers.infinite_width.scale_mixture_nngp.finite import patches_of
from reprise.papers.infinite_width.scale_mixture_nngp.image_sets import load_task
from reprise.papers.infinite_width.scale_mixture_nngp.scale_priors import inverse_gamma
from reprise.progress import track
from reprise.statistics import mean

LAYERS = 4
Weights = dict[str, Array]


def draw_network(key: PRNGKeyArray, channels: int, pixels: int, scale: Float[Array, ""], classes: int = 10) -> Weights:
    """Standard normal weights (NTK parametrisation); the last layer's are multiplied by the root of the scale."""
    weights = {}
    fan_in = 9
    for layer, own in enumerate(jax.random.split(key, LAYERS)):
        weights[f"w{layer}"] = jax.random.normal(own, (fan_in, channels), jnp.float32)
        weights[f"b{layer}"] = jnp.zeros(channels, jnp.float32)
        fan_in = 9 * channels
    last = jax.random.normal(jax.random.fold_in(key, LAYERS), (channels * pixels, classes), jnp.float32)
    return {**weights, "last": jnp.sqrt(scale) * last}


def logits(weights: Weights, x: Float[Array, "n h w"]) -> Float[Array, "n c"]:
    """Four 3 x 3 convolutions with ReLU, all pixels to the last layer."""
    image = x[..., None]
    for layer in range(LAYERS):
        w = weights[f"w{layer}"]
        image = jax.nn.relu(patches_of(image) @ (w * (2.0 / w.shape[0]) ** 0.5) + weights[f"b{layer}"])
    flat = image.reshape(len(x), -1)
    return flat @ weights["last"] / flat.shape[1] ** 0.5


@partial(jax.jit, static_argnames=("channels", "steps", "batch"))
def train_network(
    key: PRNGKeyArray,
    x: Float[Array, "n h w"],
    labels: Int[Array, " n"],
    scale: Float[Array, ""],
    rate: float,
    *,
    channels: int,
    steps: int,
    batch: int = 100,
) -> Weights:
    """Adam on cross-entropy."""
    start_key, run_key = jax.random.split(key)
    weights = draw_network(start_key, channels, x.shape[1] * x.shape[2], scale)
    optimiser = optax.adam(rate)

    def loss(w: Weights, rows: Array) -> Array:
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits(w, x[rows]), labels[rows]))

    def step(carry: tuple[Weights, optax.OptState], own: PRNGKeyArray) -> tuple[tuple[Weights, optax.OptState], None]:
        w, state = carry
        slope = jax.grad(loss)(w, jax.random.randint(own, (batch,), 0, len(x)))
        update, state = optimiser.update(slope, state)
        return (optax.apply_updates(w, update), state), None

    (weights, _), _ = jax.lax.scan(step, (weights, optimiser.init(weights)), jax.random.split(run_key, steps))
    return weights


def study_ensembles(
    names: list[str],
    seeds: int,
    *,
    members: int,
    channels: int,
    train: int,
    test: int,
    size: int,
    steps: int = 200,
    seed: int,
) -> pd.DataFrame:
    """One row for each set, seed, kind of image and ensemble: `fixed`, `scaled` (IG(2, 2)) and one `single` member."""
    rows: list[dict[str, object]] = []
    predict = jax.jit(lambda w, x: jax.nn.log_softmax(logits(w, x)))
    for name, repeat in track([(name, repeat) for name in names for repeat in range(seeds)], "ensembles"):
        offset = 1000 * seed + repeat
        own = jax.random.fold_in(jax.random.key(offset), names.index(name))
        task = load_task(name, offset, train=train, valid=0, test=test, size=size)
        centre, unit = float(task.train.x.mean()), float(task.train.x.std())
        x, labels = _standard(task.train.x, centre, unit), jnp.asarray(task.train.labels)
        keys = jax.random.split(own, members)
        drawn = jnp.asarray(inverse_gamma(2.0, 2.0).sample(np.random.default_rng(offset), members), jnp.float32)
        parts = {"test": task.test, **task.elsewhere}
        for method, scales in (("fixed", jnp.ones(members, jnp.float32)), ("scaled", drawn)):
            nets = [
                train_network(k, x, labels, s, 1e-2, channels=channels, steps=steps)
                for k, s in zip(keys, scales, strict=True)
            ]
            for images, part in parts.items():
                z = _standard(part.x, centre, unit)
                each = np.stack([np.asarray(predict(w, z), np.float64) for w in nets])
                whole = np.log(np.mean(np.exp(each), axis=0) + 1e-12)
                base = {"set": name, "seed": repeat, "images": images}
                rows.append(base | {"method": method, **measure(whole, part)})
                if method == "fixed":
                    rows.append(base | {"method": "single", **measure(np.maximum(each[0], np.log(1e-12)), part)})
    return pd.DataFrame(rows)


def gain(table: pd.DataFrame) -> Pair:
    """NLL out of distribution, ensemble with scale prior minus without, one value a seed; control: a single member."""
    outside = table[table["images"] != "test"]
    wide = outside.pivot_table(index=["seed", "set", "images"], columns="method", values="nll")
    return {
        name: mean((wide[method] - wide["fixed"]).groupby("seed").mean().to_numpy())
        for name, method in (("measured", "scaled"), ("control", "single"))
    }


def report(table: pd.DataFrame) -> str:
    """Markdown: NLL by set, kind of images and ensemble."""
    means = table.pivot_table(index=["set", "images"], columns="method", values="nll")
    rows = ["| set | images | single | one scale | scale prior |", "|---|---|---|---|---|"]
    for name, images in dict.fromkeys(zip(table["set"], table["images"], strict=True)):
        row = means.loc[name, images]
        rows.append(f"| {name} | {images} | {row['single']:.3f} | {row['fixed']:.3f} | {row['scaled']:.3f} |")
    return "NLL of a single network and of ensembles:\n\n" + "\n".join(rows)


def _standard(x: Float[np.ndarray, "n h w"], centre: float, unit: float) -> Float[Array, "n h w"]:
    return jnp.asarray((x - centre) / unit, jnp.float32)
