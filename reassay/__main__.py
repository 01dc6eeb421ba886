"""``python -m reassay``."""

from reassay.cli import main

main()
