"""More is Better in Modern Machine Learning (Simon, Karkada, Ghosh and Belkin, ICLR 2024): method and experiments."""
