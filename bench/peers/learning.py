"""What a side in PyTorch learns from and by: the network, the samples of all sides, SGD."""

import numpy as np
import torch

from nets import build


def read(path, dtype, shape):
    return torch.from_numpy(np.fromfile(path, dtype).reshape(shape))


def read_net(case):
    net = build(case["net"])
    net.load_state_dict(torch.load(f"{case['folder']}/{case['net']}.pt"))
    return net


def read_samples(case):
    count, size = case["samples"], case["size"]
    x = read(case["files"]["x"], np.float32, (count, case["channels"], size, size))
    return x, read(case["files"]["y"], np.int64, (count,))


def sgd(net, rate=0.01):
    """Nesterov's, with decay of weights of more than one axis only."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0}]
    return torch.optim.SGD(groups, rate, momentum=0.9, nesterov=True)
