r"""Training of circuits: the cost, SPSA on shots, Adam on exact gradients.

A point with label m counts as misassigned by R shots with a probability near

$$\mathrm{sig}\Bigl(\sqrt R\,\frac{\frac12-(\hat p_m+\frac{mb}2)}{\sqrt{2(1-\hat p_m)\hat p_m}}\Bigr),\qquad\mathrm{sig}(t)=\frac1{1+e^{-t}},$$

where $\hat p_m$ is the share of shots whose parity is m and b a trained bias between -1 and 1. The cost is its mean over points. New points
get the label $\mathrm{argmax}_y(\hat p_y+yb/2)$. Each parameter vector ends in the bias; parameters beyond a run's depth
have no effect. All runs, of all depths, data sets and starts, go side by side.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Complex, Float, Int

from reprise import progress
from reprise.papers.kernels_and_features.quantum_kernels import circuit

PERTURBATION = 0.2
"""c of SPSA: the first step to both sides, in radians."""
STEP_DECAY, PERTURBATION_DECAY = 0.602, 0.101
"""Spall's exponents."""
FIRST_STEP = 0.1
"""Mean size of SPSA's first step in each angle, by which its gain is calibrated.

This and c had the least training cost, mean over depths, of 25 pairs on twelve data sets that no experiment uses.
"""
CALIBRATION = 25
"""Gradient estimates for that."""
LEARNING_RATE = 0.1
"""Of Adam, chosen from three in the same way."""


class Runs(NamedTuple):
    """Many circuits to be trained, each with its own states.

    Attributes:
        depths: entangling layers of each run.
        entangled: whether its circuit has CZ gates.
        train: states of its training points.
        labels: their labels, +1 or -1.
        test: states of its test points.
        test_labels: their labels.
    """

    depths: Int[Array | np.ndarray, " runs"]
    entangled: Bool[Array | np.ndarray, " runs"]
    train: Complex[Array | np.ndarray, "runs p dim"]
    labels: Float[Array | np.ndarray, "runs p"]
    test: Complex[Array | np.ndarray, "runs q dim"]
    test_labels: Float[Array | np.ndarray, "runs q"]

    @property
    def qubits(self) -> int:
        """Qubits of every run."""
        return self.train.shape[-1].bit_length() - 1


class Trained(NamedTuple):
    """What training left: costs as the optimiser saw them, final parameters, test success."""

    costs: Float[np.ndarray, "runs steps"]
    parameters: Float[np.ndarray, "runs k"]
    success: Float[np.ndarray, " runs"]


def misassignment(
    agree: Float[Array | np.ndarray, "runs p"],
    labels: Float[Array | np.ndarray, "runs p"],
    bias: Float[Array | np.ndarray, " runs"],
    shots: int,
) -> Float[Array, " runs"]:
    """The cost, from the shares of shots that agree with the labels.

    >>> one = jnp.ones((1, 1))
    >>> round(float(misassignment(0.5 * one, one, jnp.zeros(1), 2000)[0]), 6)
    0.5
    """
    p = jnp.clip(agree, 0.5 / shots, 1.0 - 0.5 / shots)
    margin = 0.5 - (p + 0.5 * labels * bias[:, None])
    return jax.nn.sigmoid(np.sqrt(shots) * margin / jnp.sqrt(2.0 * p * (1.0 - p))).mean(axis=1)


def start(runs: Runs, rng: np.random.Generator) -> Float[np.ndarray, "runs k"]:
    """Random angles from a full turn, and no bias."""
    layers = int(runs.depths.max()) + 1
    angles = rng.uniform(0.0, 2.0 * np.pi, (len(runs.depths), layers * runs.qubits * 2))
    return np.concatenate([angles, np.zeros((len(angles), 1))], axis=1)


def _angles(parameters: Array | np.ndarray, n: int) -> Array | np.ndarray:
    return parameters[:, :-1].reshape(parameters.shape[0], -1, n, 2)


def agreement(
    parameters: Float[Array | np.ndarray, "runs k"],
    runs: Runs,
) -> Float[Array, "runs p"]:
    """The probability, for each training point, that a shot's parity is its label."""
    found = circuit.outputs(_angles(parameters, runs.qubits), runs.depths, runs.entangled, runs.train)
    return 0.5 * (1.0 + runs.labels * found)


def success(parameters: Float[np.ndarray, "runs k"], runs: Runs) -> Float[np.ndarray, " runs"]:
    """The share of test points that get their label, by exact probabilities."""
    found = circuit.outputs(_angles(parameters, runs.qubits), runs.depths, runs.entangled, runs.test)
    guess = np.where(np.asarray(found) + parameters[:, -1:] >= 0.0, 1.0, -1.0)
    return np.asarray((guess == runs.test_labels).mean(axis=1))


def by_spsa(runs: Runs, iterations: int, shots: int, rng: np.random.Generator) -> Trained:
    r"""Simultaneous perturbation: two costs from fresh shots a step, whatever the number of parameters.

    $\theta\leftarrow\theta-a_kg_k$ with $g_k=\frac{R(\theta+c_k\delta)-R(\theta-c_k\delta)}{2c_k}\delta$ for random signs
    $\delta$, $c_k=c/k^{0.101}$, $a_k=a/(k+A)^{0.602}$ with A a tenth of the steps. For each run a is set so that the first
    step has the mean size `FIRST_STEP`, judged by 25 gradients at the start. The last parameters count, not the best.
    """
    parameters, offset = start(runs, rng), 0.1 * iterations
    on_device = Runs(*(jnp.asarray(part) for part in runs))

    def cost(at: np.ndarray) -> np.ndarray:
        exact = np.clip(np.asarray(_agreement(at, on_device)), 0.0, 1.0)
        share = rng.binomial(shots, exact) / shots
        return np.asarray(_misassignment(share, on_device.labels, at[:, -1], shots))

    def difference(at: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        delta = rng.choice([-1.0, 1.0], at.shape)
        up, down = cost(at + c * delta), cost(at - c * delta)
        return (up - down)[:, None] / (2.0 * c), delta, 0.5 * (up + down)

    first = np.mean([np.abs(difference(parameters, PERTURBATION)[0]) for _ in range(CALIBRATION)], axis=0)
    gain = FIRST_STEP * (1.0 + offset) ** STEP_DECAY / np.maximum(first, 1e-3)
    costs = []
    for k in progress.track(range(1, iterations + 1), "SPSA"):
        slope, delta, seen = difference(parameters, PERTURBATION / k**PERTURBATION_DECAY)
        parameters = parameters - gain / (k + offset) ** STEP_DECAY * slope * delta
        parameters[:, -1] = np.clip(parameters[:, -1], -1.0, 1.0)
        costs.append(seen)
    return Trained(np.stack(costs, axis=1), parameters, success(parameters, runs))


_agreement = jax.jit(agreement)
_misassignment = jax.jit(misassignment, static_argnames="shots")


def by_adam(runs: Runs, steps: int, shots: int, rng: np.random.Generator) -> Trained:
    """Adam on gradients of the cost at exact probabilities, as no device gives them."""
    found, costs = _adam(start(runs, rng), Runs(*(jnp.asarray(part) for part in runs)), steps, shots)
    return Trained(np.asarray(costs).T, np.asarray(found), success(np.asarray(found), runs))


@partial(jax.jit, static_argnames=("steps", "shots"))
def _adam(parameters: Array | np.ndarray, runs: Runs, steps: int, shots: int) -> tuple[Array, Array]:
    optimiser = optax.adam(LEARNING_RATE)

    def total(at: Array) -> tuple[Array, Array]:
        each = misassignment(agreement(at, runs), runs.labels, at[:, -1], shots)
        return each.sum(), each

    def step(carry: tuple[Array, optax.OptState], _: None) -> tuple[tuple[Array, optax.OptState], Array]:
        at, state = carry
        gradient, each = jax.grad(total, has_aux=True)(at)
        updates, state = optimiser.update(gradient, state)
        at = optax.apply_updates(at, updates)
        return (at.at[:, -1].set(jnp.clip(at[:, -1], -1.0, 1.0)), state), each

    first = jnp.asarray(parameters)
    (found, _), costs = jax.lax.scan(step, (first, optimiser.init(first)), None, length=steps)
    return found, costs
