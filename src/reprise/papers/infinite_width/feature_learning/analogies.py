"""Claim C4: how word vectors answer `a is to b as c is to ?`, and how two classes of words separate."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.feature_learning import corpus, word2vec
from reprise.papers.infinite_width.feature_learning.corpus import Plan
from reprise.papers.infinite_width.feature_learning.word2vec import INFINITE, Settings


def questions(plan: Plan, *, count: int, seed: int) -> Int[np.ndarray, "count 4"]:
    """Random questions a : b :: c : d with a, b of one concept and c, d of another, a, c of one form and b, d of another."""
    rng = np.random.default_rng([seed, 47])
    i, j = rng.integers(plan.concepts, size=count), rng.integers(plan.forms, size=count)
    other_i = (i + rng.integers(1, plan.concepts, size=count)) % plan.concepts
    other_j = (j + rng.integers(1, plan.forms, size=count)) % plan.forms
    return np.stack(
        [plan.word(i, j), plan.word(i, other_j), plan.word(other_i, j), plan.word(other_i, other_j)], axis=1
    )


def accuracy(vectors: Float[np.ndarray, "V n"], asked: Int[np.ndarray, "count 4"]) -> float:
    """Share of questions whose answer is the word of largest cosine with b - a + c, of all words but a, b and c.

    As in word2vec's own judge, an answer must have a positive cosine: vectors that know nothing answer nothing.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    a, b, c, d = asked.T
    wanted = unit[b] - unit[a] + unit[c]
    score = wanted @ unit.T
    for given in (a, b, c):
        score[np.arange(len(asked)), given] = -np.inf
    best = score.argmax(axis=1)
    return float(np.mean((best == d) & (score.max(axis=1) > 1e-6)))


def plane(vectors: Float[np.ndarray, "words n"]) -> Float[np.ndarray, "words 2"]:
    """First two principal components."""
    centred = vectors - vectors.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(u[:, :2] * s[:2])


def silhouette(points: Float[np.ndarray, "words k"], group: Int[np.ndarray, " words"]) -> float:
    """Mean silhouette: 1 if groups are far apart and tight, 0 if they cannot be told apart."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    same = group[:, None] == group[None]
    inside = (distance * same).sum(axis=1) / (same.sum(axis=1) - 1)
    outside = (distance * ~same).sum(axis=1) / (~same).sum(axis=1)
    return float(np.mean((outside - inside) / np.maximum(outside, inside)))


SHUFFLED = 3
"""Corpora that are also shuffled."""


class Words(NamedTuple):
    """Vectors of one study.

    Attributes:
        plan: the corpus.
        widths: widths, the last of them infinite (0).
        passes: through the corpus, at each record.
        accuracy: (seeds, widths, records).
        shuffled: the same after training on shuffled words, for the first three seeds, (3, widths).
        frozen: accuracy of vectors that do not move, the kernel limit, (seeds,).
        silhouette: of two forms in their first two principal components, infinite width, (seeds,).
        frozen_silhouette: of vectors that do not move, (seeds,).
        planes: those components at the first seed: not moved, smallest width, infinite width.
    """

    plan: Plan
    widths: list[int]
    passes: np.ndarray
    accuracy: np.ndarray
    shuffled: np.ndarray
    frozen: np.ndarray
    silhouette: np.ndarray
    frozen_silhouette: np.ndarray
    planes: dict[str, np.ndarray]


def study(
    plan: Plan, widths: Sequence[int], *, count: int, window: int, settings: Settings, seed: int, seeds: int, asked: int
) -> Words:
    """Train vectors of every width on one corpus a seed, in its order and shuffled."""
    every = [*widths, INFINITE]
    runs = [100 * seed + s for s in range(seeds)]
    starts = {(s, n): word2vec.start(n, plan.vocabulary, seed=s) for s in runs for n in every}
    text = {s: corpus.sentences(plan, count, seed=s) for s in runs}

    def trained(words: dict[int, np.ndarray]) -> np.ndarray:
        begun = [starts[s, n] for s in words for n in every]
        data = {
            s: corpus.examples(text, window=window, vocabulary=plan.vocabulary, seed=s) for s, text in words.items()
        }
        u = word2vec.train(begun, [data[s] for s in words for _ in every], plan.vocabulary, settings)
        return u.reshape(len(words), len(every), *u.shape[1:])

    u, noise = trained(text), trained({s: corpus.shuffled(text[s], seed=s) for s in runs[:SHUFFLED]})
    sets = [questions(plan, count=asked, seed=s) for s in runs]
    scores = np.array([[[accuracy(e, q) for e in run] for run in group] for group, q in zip(u, sets, strict=True)])
    chance = np.array([[accuracy(run[-1], q) for run in group] for group, q in zip(noise, sets, strict=False)])
    still = np.asarray(word2vec.start(INFINITE, plan.vocabulary, seed=0).u)
    frozen = np.array([accuracy(still, q) for q in sets])
    two = np.arange(plan.concepts)
    chosen = np.concatenate([plan.word(two, np.zeros_like(two)), plan.word(two, np.ones_like(two))])
    group = np.repeat([0, 1], plan.concepts)
    separated = np.array([silhouette(plane(each[-1, -1][chosen]), group) for each in u])
    # rows of the identity are a degenerate cloud: any two directions are principal; these are random ones
    rng = np.random.default_rng([seed, 53])
    clouds = [plane(still[chosen] + 1e-6 * rng.normal(size=still[chosen].shape)) for _ in runs]
    return Words(
        plan, every, settings.epochs * (1 + np.arange(settings.records)) / settings.records, scores, chance, frozen, separated, np.array([silhouette(cloud, group) for cloud in clouds]),
        {
            "embeddings that do not move": clouds[0],
            f"width {every[0]}": plane(u[0, 0, -1][chosen]),
            "infinite width": plane(u[0, -1, -1][chosen]),
        },
    )  # fmt: skip


def rise(words: Words, table: Float[np.ndarray, "seeds widths"]) -> Estimate:
    """Accuracy gained with each doubling of a finite width, from accuracies at all widths."""
    finite = len(words.widths) - 1
    return statistics.linear_slope(np.log2(words.widths[:finite]), table[:, :finite])


def reading(words: Words) -> str:
    """Markdown: accuracies in the end by width."""
    names = [f"n = {n}" if n else "n = ∞" for n in words.widths]
    found = [statistics.mean(column) for column in words.accuracy[:, :, -1].T]
    cells = [f"{e.value:.3f} ± {0.5 * (e.high - e.low):.3f}" for e in found]  # type: ignore[operator]
    lines = ["| " + " | ".join(names) + " | not moved |", "|" + "---|" * (len(names) + 1)]
    lines.append("| " + " | ".join(cells) + f" | {words.frozen.mean():.3f} |")
    plan = words.plan
    return "\n".join([*lines, "", f"{plan.vocabulary} words, {plan.grid} of them in the grid; intervals over {len(words.frozen)} corpora."])  # fmt: skip
