"""How each peer reads back the file that it has written."""
