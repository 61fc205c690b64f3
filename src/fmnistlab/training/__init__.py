"""The training: recipe, trainer, callbacks, checkpoints."""
