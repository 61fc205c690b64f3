"""How each peer saves: the state of `savers.state`, by the peer's own functions."""
