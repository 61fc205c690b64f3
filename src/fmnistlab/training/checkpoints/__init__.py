"""What it takes to go on: files, and the state that they hold."""
