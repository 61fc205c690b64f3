"""How each peer trains: a script as its documentation has it, that goes on from what it finds."""
