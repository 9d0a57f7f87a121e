"""Image networks that torchvision does not have: MobileNet v1, ShuffleNet v1, MLP-Mixer, U-Net."""

import torch
import torch.nn.functional as F
from torch import nn

from form import Net


def conv_bn(fan_in, width, kernel=3, stride=1, groups=1, act=nn.ReLU):
    layers = [
        nn.Conv2d(fan_in, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


def mobilenet_v1(width=0.5, classes=100):
    """Howard et al. 2017: a 3x3 convolution, then 13 depthwise-separable ones."""
    sizes = [int(width * n) for n in (32, 64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)]
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    layers = [conv_bn(3, sizes[0], 3, 2)]
    for fan_in, fan_out, stride in zip(sizes, sizes[1:], strides):
        layers += [conv_bn(fan_in, fan_in, 3, stride, fan_in), conv_bn(fan_in, fan_out, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(sizes[-1], classes))


class Shuffle(nn.Module):
    """ShuffleNet v1's unit: grouped 1x1, channel shuffle, depthwise 3x3, grouped 1x1; stride 2 concatenates."""

    def __init__(self, fan_in, width, stride, groups, first):
        super().__init__()
        self.groups = groups
        self.stride = stride
        out = width - fan_in if stride == 2 else width
        middle = width // 4
        self.squeeze = conv_bn(fan_in, middle, 1, groups=1 if first else groups)
        self.depthwise = conv_bn(middle, middle, 3, stride, middle, act=None)
        self.expand = conv_bn(middle, out, 1, groups=groups, act=None)

    def forward(self, x):
        y = self.squeeze(x)
        n, c, h, w = y.shape
        y = y.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)
        y = self.expand(self.depthwise(y))
        if self.stride == 2:
            return F.relu(torch.cat([F.avg_pool2d(x, 3, 2, 1), y], 1))
        return F.relu(x + y)


def shufflenet_v1(groups=3, widths=(240, 480, 960), classes=100):
    """Zhang et al. 2018, 1x with three groups."""
    layers = [conv_bn(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)]
    fan_in = 24
    for stage, (width, repeats) in enumerate(zip(widths, (3, 7, 3))):
        layers.append(Shuffle(fan_in, width, 2, groups, stage == 0))
        layers += [Shuffle(width, width, 1, groups, False) for _ in range(repeats)]
        fan_in = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fan_in, classes))


class Mix(nn.Module):
    """MLP-Mixer's layer: one perceptron over the patches, one over the channels."""

    def __init__(self, patches, width):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.tokens = nn.Sequential(nn.Linear(patches, 2 * patches), nn.GELU(), nn.Linear(2 * patches, patches))
        self.norm2 = nn.LayerNorm(width)
        self.channels = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """Tolstikhin et al. 2021."""

    def __init__(self, size=64, patch=8, width=128, depth=6, classes=100):
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.layers = nn.Sequential(*(Mix((size // patch) ** 2, width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.layers(x)).mean(1))


class UNet(nn.Module):
    """Ronneberger et al. 2015 with padding; the way up is a transposed convolution or bilinear Resize."""

    def __init__(self, bilinear, widths=(32, 64, 128, 256), classes=4):
        super().__init__()
        double = lambda a, b: nn.Sequential(conv_bn(a, b), conv_bn(b, b))
        self.down = nn.ModuleList(double(a, b) for a, b in zip((3, *widths), widths))
        ups = list(zip(widths[:0:-1], widths[-2::-1]))
        if bilinear:
            grow = lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(a, b, 1))
        else:
            grow = lambda a, b: nn.ConvTranspose2d(a, b, 2, 2)
        self.grow = nn.ModuleList(grow(a, b) for a, b in ups)
        self.up = nn.ModuleList(double(2 * b, b) for _, b in ups)
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x):
        skips = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i > 0 else x)
            skips.append(x)
        skips.pop()
        for grow, up in zip(self.grow, self.up):
            x = up(torch.cat([skips.pop(), grow(x)], 1))
        return self.head(x)


NETS = {
    "mobilenet_v1": Net(mobilenet_v1, (3, 64, 64), 13, False, note="own code, width 0.5"),
    "shufflenet_v1": Net(shufflenet_v1, (3, 32, 32), 13, note="own code, 3 groups"),
    "mlp_mixer": Net(Mixer, (3, 64, 64), note="own code"),
    "mlp_mixer-13": Net(Mixer, (3, 64, 64), 13, False, note="the same in opset 13"),
    "unet": Net(lambda: UNet(False), (3, 32, 32), 13, note="own code, ConvTranspose"),
    "unet_bilinear": Net(lambda: UNet(True), (3, 32, 32), 11, False, note="own code, bilinear Resize"),
}
