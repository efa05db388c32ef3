"""Attacks on the sandboxes and on what surrounds them, each with its positive control: `make attacks`."""
