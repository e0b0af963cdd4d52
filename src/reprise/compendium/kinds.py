"""Exit codes that the runner and its child process agree on."""

EXIT_CELL_FAILED = 3
EXIT_KERNEL_DIED = 4
