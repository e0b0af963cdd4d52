"""Run as a program: every example of the kernels under a runtime type checker for shapes, and calls that it must refuse.

A process of its own, since the checker has to be there before the modules are imported.
"""

import doctest
import importlib
import sys

from jaxtyping import TypeCheckError, install_import_hook

import tests.kernels.shape_checker  # noqa: F401 - named to the hook below

MODULES = (
    "activations", "closed_form", "eigenconstants", "eigenframework", "gp", "gram", "random_features", "ridge", "shifted",
)  # fmt: skip


def refused(call, *arguments, **options):
    """Whether the checker refuses these arguments (and no later line does)."""
    try:
        call(*arguments, **options)
    except TypeCheckError:
        return True
    except Exception as error:
        raise AssertionError(f"{call.__name__} was entered and raised {error!r}") from error
    return False


def main():
    with install_import_hook("reprise.kernels", "tests.kernels.shape_checker.check"):
        modules = {name: importlib.import_module(f"reprise.kernels.{name}") for name in MODULES}
    results = [doctest.testmod(module) for module in modules.values()]
    assert sum(r.attempted for r in results) > 50
    assert not any(r.failed for r in results)

    import jax.numpy as jnp

    x, k, y = jnp.ones((3, 2)), jnp.eye(3), jnp.ones(3)
    assert refused(modules["closed_form"].ntk, x, jnp.ones((4, 5)), depth=2)
    assert refused(modules["closed_form"].ntk, x[0], depth=2)
    assert refused(modules["ridge"].KernelRidge.fit, jnp.ones((3, 4)), y)
    assert refused(modules["ridge"].ridge_path, k, jnp.ones(4), jnp.ones((2, 3)), y)
    assert refused(modules["gp"].posterior, k, k, k, jnp.ones(4), 0.1)
    assert refused(modules["random_features"].ridge_path, x, y, jnp.ones((2, 3)), y)
    assert refused(modules["eigenframework"].errors, y, jnp.ones(4), 10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
