"""Training: the trainer and seeds are the face, the rooms behind it are private."""
