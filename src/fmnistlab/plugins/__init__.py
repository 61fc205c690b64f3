"""What installed packages offer: found by name, imported only when it is asked for."""
