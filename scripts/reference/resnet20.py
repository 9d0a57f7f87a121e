"""The ResNets for CIFAR-10 in PyTorch; ResNet-20 with its weights read from an ONNX file by initializer name."""

import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters: every second row and column, zero channels around."""

    def __init__(self, fan_in, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(fan_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride = stride
        self.extra = (width - fan_in) // 2

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride != 1 or self.extra:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.extra, self.extra))
        return F.relu(y + x)


class CifarResNet(nn.Module):
    """6 n + 2 layers (He et al. 2016, section 4.2)."""

    def __init__(self, n):
        super().__init__()
        stage = lambda fan_in, width, stride: nn.Sequential(
            Block(fan_in, width, stride), *(Block(width, width, 1) for _ in range(n - 1))
        )
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stage(16, 16, 1)
        self.layer2 = stage(16, 32, 2)
        self.layer3 = stage(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def load_resnet20(path):
    """Return a float64 ResNet-20 that holds the weights, statistics and epsilons of the ONNX file at `path`."""
    graph = onnx.load(path).graph
    values = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    model = CifarResNet(3).double()
    state = {name: values.pop(name).double() for name in model.state_dict() if "num_batches" not in name}
    model.load_state_dict(state, strict=False)
    left = [name for name, value in values.items() if value.is_floating_point()]
    if left:
        raise SystemExit(f"{path}: initializers that ResNet-20 has no parameter for: {', '.join(left)}")
    modules = dict(model.named_modules())
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            modules[node.input[1].rsplit(".", 1)[0]].eps = attributes.get("epsilon", 1e-5)
    return model
