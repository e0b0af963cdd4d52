"""Finite networks: seeds in ensembles, empirical tangent kernels, training.

`MLP` (three parametrisations), `ensemble` (many seeds stacked), `empirical_ntk` and `empirical_ntks`,
`train_full_batch`, `train_gradient_flow`, `train`, recorders. Any Equinox model that maps one input to a vector can take
the MLP's place. Importing this package switches JAX to 64 bits; networks are float32 unless a dtype is given.
"""

import reprise._x64  # noqa: F401
from reprise.networks.empirical import empirical_ntk, empirical_ntks
from reprise.networks.ensembles import concatenate, each, ensemble, member, members, predict, size, stack
from reprise.networks.mlp import MLP
from reprise.networks.recording import record_distance, record_ntk, record_outputs, together
from reprise.networks.training import Trained, TrainingDivergedError, train, train_full_batch, train_gradient_flow

__all__ = [
    "MLP",
    "Trained",
    "TrainingDivergedError",
    "concatenate",
    "each",
    "empirical_ntk",
    "empirical_ntks",
    "ensemble",
    "member",
    "members",
    "predict",
    "record_distance",
    "record_ntk",
    "record_outputs",
    "size",
    "stack",
    "together",
    "train",
    "train_full_batch",
    "train_gradient_flow",
]
