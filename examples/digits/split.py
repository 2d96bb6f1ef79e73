"""Which digits train, and which are held out: the one place that decides it."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 11


def split():
    """Return train images, held-out images, train labels, held-out labels; images are [n, 8, 8], values 0..16."""
    digits = load_digits()
    return train_test_split(digits.images, digits.target, test_size=0.25, stratify=digits.target, random_state=SEED)
