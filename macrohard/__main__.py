"""`python -m macrohard`."""

from macrohard.cli import main

main()
