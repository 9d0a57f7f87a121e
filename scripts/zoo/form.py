"""What a network of the zoo is, and how it gets weights under which activations neither vanish nor explode."""

from collections import namedtuple

import torch
from torch import nn

# shape: of one sample. kept: BatchNormalization, shape arithmetic and computations on weights stay in the graph; else
# the exporter folds them. ids: the number of token ids where the input is made of them. note: what a reader of the
# table should know. attention: nn.MultiheadAttention is kept off its fast path, which has no ONNX form.
Net = namedtuple(
    "Net",
    "build shape opset kept loss ids note",
    defaults=(17, True, "crossEntropy", None, ""),
)


class First(nn.Module):
    """A network that gives a dictionary, with the one output that matters."""

    def __init__(self, net, key):
        super().__init__()
        self.net = net
        self.key = key

    def forward(self, x):
        return self.net(x)[self.key]


def randomize(model):
    """Give what starts as a constant (biases, scales, layer scales, heads of zeros) random values."""
    for name, p in model.named_parameters():
        if p.numel() > 1 and p.detach().min() != p.detach().max():
            continue
        if p.dim() == 2:
            nn.init.normal_(p, 0, p.shape[1] ** -0.5)
        elif name.endswith("logit_scale"):
            nn.init.normal_(p, 2, 0.2)
        elif name.endswith("bias"):
            nn.init.normal_(p, 0, 0.1)
        else:
            nn.init.uniform_(p, 0.5, 1.5)
    for module in model.modules():
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.05, 0.4)


@torch.no_grad()
def calibrate(model, x):
    """Set the statistics of every BatchNormalization near those of its input, then disturb them mildly."""
    norms = [m for m in model.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    if not norms:
        return
    momenta = [m.momentum for m in norms]
    for m in norms:
        m.momentum = 1.0
        m.train()
    model(x)
    for m, momentum in zip(norms, momenta):
        m.momentum = momentum
        m.eval()
        spread = m.running_var.sqrt()
        m.running_mean += 0.03 * spread * torch.randn_like(spread)
        m.running_var *= 0.9 + 0.2 * torch.rand_like(spread)
        m.running_var += 1e-3
