"""Make the files of this folder; run by hand, with joblib 1.5 and numpy: python make.py."""

import pathlib

import joblib
import numpy as np

HERE = pathlib.Path(__file__).parent
ARRAYS = {"coef": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.ones(2), "name": "tiny"}

if __name__ == "__main__":
    joblib.dump(ARRAYS, HERE / "arrays.joblib")
