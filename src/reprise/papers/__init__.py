"""One module or package per paper: its method and its experiments, as pure functions."""
