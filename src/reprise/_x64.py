"""Switches JAX to 64-bit numbers when imported, before any array is made.

Gram matrices and linear solves need float64 (a ReLU kernel of a few hundred points has eigenvalues below float32's
resolution). Networks ask for float32 explicitly.
"""

import jax

jax.config.update("jax_enable_x64", True)
