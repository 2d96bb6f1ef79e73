"""python -m assay: the same as the command assay."""

from assay.fast import main

main()
