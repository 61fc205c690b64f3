"""What was measured: by batch, by epoch, by image."""
