"""Upstream's code: fetched or copied as plain files, read and never run."""

import warnings

warnings.filterwarnings("ignore", category=SyntaxWarning)  # what parsing has to say of it is its authors' affair
