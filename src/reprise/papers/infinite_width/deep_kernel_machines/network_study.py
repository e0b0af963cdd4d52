"""Bayesian networks of finite width against the tilted law: the evidence for claim C6."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from reprise.papers.infinite_width.deep_kernel_machines import bayesian_networks as networks
from reprise.papers.infinite_width.deep_kernel_machines.gram_kernels import apply
from reprise.papers.infinite_width.deep_kernel_machines.objective import maximise
from reprise.papers.infinite_width.deep_kernel_machines.randomness import generator
from reprise.progress import track


class NetworkStudy(NamedTuple):
    """One data point; rows are instances, columns widths, everything by quadrature."""

    widths: Float[np.ndarray, " widths"]
    distance: Float[np.ndarray, "instances widths"]  # total variation from the tilted law
    from_gaussian: Float[np.ndarray, "instances widths"]  # from the Gaussian that the machine prescribes
    skewness: Float[np.ndarray, "instances widths"]
    limit_skewness: Float[np.ndarray, " instances"]
    linear_skewness: Float[np.ndarray, " instances"]
    densities: dict[str, networks.Density]  # first instance


class PlaneStudy(NamedTuple):
    """Two data points, sampled networks; rows are instances, columns widths."""

    widths: Float[np.ndarray, " widths"]
    kernel_error: Float[np.ndarray, "instances widths"]  # relative error of E phi phi' / N
    machine_error: Float[
        np.ndarray, "instances widths"
    ]  # the same against the kernel of the ReLU machine's Gram matrix
    effective: Float[np.ndarray, "instances widths"]  # effective sample size


class LinearNetworks(NamedTuple):
    """Relative distance between the tilted law's second moment and the machine's optimum, one value an instance."""

    linear: Float[np.ndarray, " instances"]
    relu: Float[np.ndarray, " instances"]


def study_networks(widths: list[int], instances: int, *, noise: float = 0.1, key: PRNGKeyArray) -> NetworkStudy:
    """One data point whose label asks for larger features than the prior gives."""
    rng = generator(key)
    k0s, ys = rng.uniform(0.5, 1.5, instances), rng.uniform(2.0, 3.0, instances)
    rows: list[dict[str, list[float] | float]] = []
    densities: dict[str, networks.Density] = {}
    for number, (k0, y) in enumerate(track(list(zip(k0s, ys, strict=True)), "instances")):
        law = networks.scalar_limit(k0, y, noise)
        relu_machine = maximise(
            np.array([[k0]]), np.array([[y]]), kernel="relu", depth=1, nu=1.0, noise=noise, key=key
        ).grams[0, 0, 0]
        gauss = networks.gaussian(float(relu_machine), law.f)
        finite = [networks.scalar_finite(width, k0, y, noise, law.f) for width in widths]
        if number == 0:
            densities = {"limit": law, "gaussian": gauss, "prior": networks.gaussian(k0, law.f)}
            densities |= {f"N = {width}": density for width, density in zip(widths, finite, strict=True)}
        rows.append(
            {
                "distance": [networks.total_variation(p, law) for p in finite],
                "from_gaussian": [networks.total_variation(p, gauss) for p in finite],
                "skewness": [p.standardised(3) for p in finite],
                "limit_skewness": law.standardised(3),
                "linear_skewness": networks.scalar_limit(k0, y, noise, activation="linear").standardised(3),
            }
        )
    table = {name: np.asarray([row[name] for row in rows]) for name in rows[0]}
    return NetworkStudy(np.asarray(widths, dtype=float), **table, densities=densities)


def study_plane(widths: list[int], instances: int, *, draws: int, noise: float = 0.1, key: PRNGKeyArray) -> PlaneStudy:
    """Two correlated data points with two outputs; networks by importance sampling."""
    found = []
    for key_one in jax.random.split(key, instances):
        k0, y = _two_points(key_one)
        law = networks.plane_limit(k0, y, noise)
        machine = np.asarray(
            apply("relu", maximise(k0, y, kernel="relu", depth=1, nu=1.0, noise=noise, key=key).grams[0])
        )
        row = []
        for index, width in enumerate(widths):
            halves = [
                networks.plane_finite(
                    width, k0, y, noise, law, draws=draws // 2, key=jax.random.fold_in(key_one, 2 * index + half)
                )
                for half in (0, 1)
            ]
            errors = [_kernel_mean(h) - law.kernel for h in halves]
            square = max(float(np.sum(errors[0] * errors[1])), 0.0)
            size = np.linalg.norm(law.kernel)
            mean = 0.5 * (_kernel_mean(halves[0]) + _kernel_mean(halves[1]))
            row.append(
                (np.sqrt(square) / size, np.linalg.norm(mean - machine) / size, sum(h.effective for h in halves))
            )
        found.append(row)
    values = np.moveaxis(np.asarray(found), 2, 0)
    return PlaneStudy(np.asarray(widths, dtype=float), *values)


def study_linear_networks(instances: int, *, noise: float = 0.1, key: PRNGKeyArray) -> LinearNetworks:
    """With linear activations the tilted law must be the deep kernel machine; with ReLU it must not."""
    linear: list[float] = []
    relu: list[float] = []
    for key_one in jax.random.split(key, instances):
        k0, y = _two_points(key_one)
        for errors, kernel, second_moment in (
            (linear, "linear", networks.linear_covariance(k0, y, noise)),
            (relu, "relu", networks.plane_limit(k0, y, noise).covariance()),
        ):
            machine = maximise(k0, y, kernel=kernel, depth=1, nu=1.0, noise=noise, key=key).grams[0]
            errors.append(float(np.linalg.norm(second_moment - machine) / np.linalg.norm(machine)))
    return LinearNetworks(np.asarray(linear), np.asarray(relu))


def _two_points(key: PRNGKeyArray) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(key)
    x = rng.normal(size=(2, 3))
    return x @ x.T / 3 + 0.3 * np.eye(2), 1.5 * rng.normal(size=(2, 2))


def _kernel_mean(sample: networks.PlaneSample) -> np.ndarray:
    phi = np.sqrt(2.0) * np.maximum(sample.features, 0.0)
    return np.einsum("d,dni,dnj->ij", sample.weights, phi, phi) / phi.shape[1]
