"""The order of things in one fit."""
