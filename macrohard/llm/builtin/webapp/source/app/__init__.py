"""A record-keeping web product: run it with `python3 -m app`."""
