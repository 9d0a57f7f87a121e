"""The networks of the benchmarks, with random weights by a fixed seed. A seed makes them the same on every machine and in every version of torch."""

import os
import sys

import torch
import torchvision.models as models
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/reference"))

from resnet20 import CifarResNet

NETS = {
    "resnet56": lambda: CifarResNet(9),
    "resnet18": lambda: models.resnet18(weights=None),
    "resnet50": lambda: models.resnet50(weights=None),
    "resnet152": lambda: models.resnet152(weights=None),
    "mobilenet_v2": lambda: models.mobilenet_v2(weights=None),
    "vgg11_bn": lambda: models.vgg11_bn(weights=None),
    "swin_t": lambda: models.swin_t(weights=None),
}


def build(name):
    """The network as both sides run it: without Dropout, whose draws would differ, and with activations that keep their inputs."""
    torch.manual_seed(0)
    net = NETS[name]()
    for module in list(net.modules()):
        for key, child in list(module.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(module, key, nn.Identity())
            elif isinstance(child, nn.ReLU):
                setattr(module, key, nn.ReLU())
            elif isinstance(child, nn.ReLU6):
                setattr(module, key, nn.ReLU6())
    return net
