"""How to train: settings, named recipes, and what a loss must be."""
