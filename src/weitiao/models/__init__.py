"""Pretrained models: found on a hub, in a folder or among the starters; given a head; saved for plain transformers."""
