"""Quantum kernels."""
