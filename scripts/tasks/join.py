"""The two parts of each data set in one file, as `npz:` reads them: arrays NAME_train and NAME_test.

    python3 join.py DATA

reads DATA/NAME-train.npz and DATA/NAME-test.npz, as the scripts beside this one write them, and writes DATA/NAME.npz.
It needs NumPy.
"""

import sys
from pathlib import Path

import numpy as np

# What a set has, and the name that each array gets: that of an input of the net, of an output, or `target`.
NAMES = {
    "segmenter": {"image": "image", "masks": "target"},
    "digit-strings": {"image": "image", "target": "target"},
    "detector": {"image": "image", "scores": "scores", "boxes": "boxes"},
    "characters": {"input_ids": "input_ids"},
    "keywords": {"frames": "frames", "target": "target"},
    "embedder": {"image": "image"},
    "sentences": {"input_ids": "input_ids", "attention_mask": "attention_mask"},
    "triple-size": {"input": "input", "target": "target"},
}

folder = Path(sys.argv[1])
for name, arrays in NAMES.items():
    joined = {}
    for part in ("train", "test"):
        path = folder / f"{name}-{part}.npz"
        if not path.exists():
            break
        with np.load(path) as found:
            joined |= {f"{new}_{part}": found[old] for old, new in arrays.items()}
    else:
        np.savez_compressed(folder / f"{name}.npz", **joined)
        print(folder / f"{name}.npz", {key: value.shape for key, value in joined.items()})
