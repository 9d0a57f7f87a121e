"""Small networks, one per structure that pruning has to deal with, with random weights and statistics."""

import torch
import torch.nn.functional as F
from torch import nn


def conv_bn(fan_in, width, kernel=3, stride=1, groups=1, act=nn.ReLU):
    layers = [
        nn.Conv2d(fan_in, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


class Classifier(nn.Sequential):
    """Layers, the mean over the pixels, and a linear layer of 5 classes."""

    def __init__(self, *layers, width):
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 5))


class Residual(nn.Module):
    """A basic block; `shortcut` is "pad" (slice, then zero channels around) or "conv" (1x1, BatchNormalization)."""

    def __init__(self, fan_in, width, stride, shortcut):
        super().__init__()
        self.body = nn.Sequential(conv_bn(fan_in, width, 3, stride), conv_bn(width, width, 3, act=None))
        self.down = None
        self.pad = 0
        self.stride = stride
        if stride != 1 or fan_in != width:
            if shortcut == "conv":
                self.down = conv_bn(fan_in, width, 1, stride, act=None)
            else:
                self.pad = (width - fan_in) // 2

    def forward(self, x):
        y = self.body(x)
        if self.down is not None:
            x = self.down(x)
        elif self.pad:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


def residual(shortcut):
    return Classifier(
        *(conv_bn(3, 8), Residual(8, 8, 1, shortcut)),
        *(Residual(8, 12, 2, shortcut), Residual(12, 12, 1, shortcut)),
        width=12,
    )


class Inverted(nn.Module):
    """MobileNet's block: 1x1 up, depthwise 3x3, 1x1 down, added to the input where the shapes allow."""

    def __init__(self, fan_in, width, stride, act=nn.ReLU6):
        super().__init__()
        middle = 2 * fan_in
        self.body = nn.Sequential(
            conv_bn(fan_in, middle, 1, act=act),
            conv_bn(middle, middle, 3, stride, groups=middle, act=act),
            conv_bn(middle, width, 1, act=None),
        )
        self.same = stride == 1 and fan_in == width

    def forward(self, x):
        return x + self.body(x) if self.same else self.body(x)


def mobilenet(act=nn.ReLU6):
    return Classifier(
        *(conv_bn(3, 8, 3, 2, act=act), Inverted(8, 12, 1, act)),
        *(Inverted(12, 12, 1, act), Inverted(12, 16, 2, act)),
        width=16,
    )


class Grouped(nn.Module):
    def __init__(self, width, groups):
        super().__init__()
        self.body = nn.Sequential(
            conv_bn(width, width, 1), conv_bn(width, width, 3, groups=groups), conv_bn(width, width, 1, act=None)
        )

    def forward(self, x):
        return F.relu(x + self.body(x))


class Dense(nn.Module):
    """DenseNet's block: every layer normalizes, then convolves, all that came before it."""

    def __init__(self, fan_in, growth, count):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(fan_in + i * growth),
                nn.ReLU(),
                nn.Conv2d(fan_in + i * growth, growth, 3, 1, 1, bias=False),
            )
            for i in range(count)
        )

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class Inception(nn.Module):
    """Five branches: 1x1, 1x1-3x3, the two kinds of average pooling, and max pooling, concatenated."""

    def __init__(self, fan_in):
        super().__init__()
        self.one = conv_bn(fan_in, 4, 1)
        self.three = nn.Sequential(conv_bn(fan_in, 6, 1), conv_bn(6, 8, 3))
        self.padded = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=True), conv_bn(fan_in, 4, 1))
        self.unpadded = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), conv_bn(fan_in, 4, 1))
        self.largest = nn.MaxPool2d(3, 1, 1)

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.padded(x), self.unpadded(x), self.largest(x)], 1)


class Gate(nn.Module):
    """Squeeze and excitation by linear layers, or by 1x1 convolutions."""

    def __init__(self, width, squeeze, linear):
        super().__init__()
        self.linear = linear
        layer = nn.Linear if linear else lambda a, b: nn.Conv2d(a, b, 1)
        self.down = layer(width, squeeze)
        # Positive, so that the ReLU lets something through for every seed.
        nn.init.uniform_(self.down.bias, 0.2, 0.8)
        self.up = layer(squeeze, width)
        self.act = nn.Sigmoid() if linear else nn.Hardsigmoid()

    def forward(self, x):
        s = F.adaptive_avg_pool2d(x, 1)
        if self.linear:
            s = s.flatten(1)
        s = self.act(self.up(F.relu(self.down(s))))
        return x * (s[:, :, None, None] if self.linear else s)


class AutoEncoder(nn.Module):
    """Convolution, x.view(x.size(0), -1), a linear bottleneck, and the way back to the input's shape."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU())
        self.shrink = nn.Linear(8 * 3 * 3, 10)
        self.grow = nn.Linear(10, 8 * 3 * 3)
        self.decode = nn.Sequential(
            nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(6, 1, 4, 2, 1), nn.Sigmoid()
        )

    def forward(self, x):
        x = self.encode(x)
        x = self.shrink(x.view(x.size(0), -1))
        x = F.relu(self.grow(x))
        return self.decode(x.view(x.size(0), 8, 3, 3))


class Means(nn.Module):
    """Two convolutions, each read by a mean over the pixels: one that keeps the axes and one that does not."""

    def __init__(self):
        super().__init__()
        self.first = conv_bn(3, 8)
        self.second = conv_bn(8, 10, 3, 2)
        self.head = nn.Linear(18, 5)

    def forward(self, x):
        a = self.first(x)
        b = self.second(a)
        kept = a.mean((2, 3), keepdim=True).flatten(1)
        return self.head(torch.cat([kept, b.mean((2, 3))], 1))


class Split(nn.Module):
    """Halves and uneven parts of one convolution's channels, some convolved, put together in another order."""

    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 12)
        self.left = conv_bn(6, 6)
        self.middle = conv_bn(5, 4, 1)
        self.head = nn.Linear(13, 5)

    def forward(self, x):
        # Indexed, not unpacked: torch.fx cannot trace an iteration.
        halves = self.stem(x).chunk(2, 1)
        x = torch.cat([halves[1], self.left(halves[0])], 1)
        parts = x.split([3, 5, 4], 1)
        x = torch.cat([parts[0], self.middle(parts[1]), parts[2], x[:, 2:4]], 1)
        return self.head(x.mean((2, 3)))


class Tokens(nn.Module):
    """Patches as tokens and linear layers on three axes, which the exporter writes as MatMul and Add."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 10, 4, 4)
        self.up = nn.Linear(10, 20)
        self.down = nn.Linear(20, 10)
        self.head = nn.Linear(10, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.down(F.relu(self.up(x)))
        return self.head(x.mean(1))


def plain_cnn():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 10, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(90, 24), nn.ReLU(), nn.Linear(24, 5)),
    )


def vgg():
    return nn.Sequential(
        *(conv_bn(3, 8), conv_bn(8, 8), nn.MaxPool2d(2), conv_bn(8, 12), conv_bn(12, 12), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(108, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5)),
    )


def resnext():
    return Classifier(
        *(conv_bn(3, 12), Grouped(12, 3), nn.MaxPool2d(2)),
        *(conv_bn(12, 16, 3, groups=4), Grouped(16, 2)),
        width=16,
    )


def densenet():
    return Classifier(
        *(nn.Conv2d(3, 6, 3, padding=1, bias=False), Dense(6, 4, 3)),
        *(conv_bn(18, 9, 1), nn.AvgPool2d(2), Dense(9, 4, 2), nn.BatchNorm2d(17), nn.ReLU()),
        width=17,
    )


def inception():
    return Classifier(conv_bn(3, 8), Inception(8), conv_bn(28, 12, 3, 2), width=12)


def decoder():
    return nn.Sequential(
        *(nn.ConvTranspose2d(6, 10, 4, 2, 1, bias=False), nn.BatchNorm2d(10), nn.ReLU()),
        *(nn.ConvTranspose2d(10, 8, 3, 2, 1, output_padding=1, groups=2), nn.LeakyReLU(0.1)),
        *(nn.ConvTranspose2d(8, 6, 3, 1, 2, dilation=2), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.Conv2d(6, 3, 3, 1, 1), nn.Tanh()),
    )


def activations():
    return Classifier(
        *(nn.Conv2d(3, 8, 3, padding=2, dilation=2), nn.LeakyReLU(0.1)),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.PReLU(8)),
        *(nn.Conv2d(8, 8, (3, 1), padding=(1, 0)), nn.Sigmoid()),
        *(nn.Conv2d(8, 10, (1, 3), padding=(0, 2), dilation=(1, 2)), nn.Tanh()),
        *(nn.Conv2d(10, 10, 3, 2, 3, dilation=3), nn.PReLU(), nn.Conv2d(10, 8, 1), nn.ELU(0.7), nn.Softplus()),
        width=8,
    )


def mlp():
    return nn.Sequential(
        *(nn.Linear(20, 24), nn.ReLU(), nn.Linear(24, 16, bias=False), nn.ReLU()),
        *(nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 5, bias=False)),
    )


def gated():
    return Classifier(conv_bn(3, 12), Gate(12, 4, True), conv_bn(12, 16, 3, 2), Gate(16, 5, True), width=16)


def mobilenet_v3():
    return Classifier(
        *(conv_bn(3, 8, act=nn.Hardswish), Inverted(8, 8, 1, nn.Hardswish), Gate(8, 4, False)),
        *(conv_bn(8, 12, 3, 2, act=nn.SiLU), Gate(12, 4, False)),
        width=12,
    )


def odd_strides():
    return Classifier(
        *(conv_bn(3, 8, 7, 2), nn.MaxPool2d(3, 2, 1), conv_bn(8, 10, 1, 2)),
        *(nn.Conv2d(10, 10, 3, 1, 2), nn.ReLU(), nn.MaxPool2d(2, 2, ceil_mode=True), nn.Conv2d(10, 8, 2), nn.ReLU()),
        width=8,
    )


def has_norms(model):
    return any(isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) for module in model.modules())


def randomize(model):
    """Give every normalization statistics, scales and shifts that do something, and no two layers the same biases."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.3, 1.5)
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
        elif isinstance(module, nn.MultiheadAttention):
            nn.init.normal_(module.in_proj_bias, 0, 0.3)
            nn.init.normal_(module.out_proj.bias, 0, 0.3)
        elif isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.05, 0.4)
    return model
