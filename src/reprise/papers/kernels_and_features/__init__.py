"""Papers on kernels and features."""
