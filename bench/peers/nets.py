"""The networks of the benchmarks, with random weights by a fixed seed. A seed makes them the same on every machine and in every version of torch."""

import torch
import torchvision.models as models
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.relu = nn.ReLU()
        self.stride, self.more = stride, outer - inner

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.more:
            half = self.more // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half))
        return self.relu(x + y)


class CifarResNet(nn.Module):
    """He et al. 2016, section 4.2: 6 n + 2 layers, shortcuts without parameters."""

    def __init__(self, n):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        inner, blocks = 16, []
        for stage, outer in enumerate((16, 32, 64)):
            for i in range(n):
                blocks.append(Block(inner, outer, 2 if stage > 0 and i == 0 else 1))
                inner = outer
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.blocks(self.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))


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
