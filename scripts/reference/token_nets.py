"""Networks over tokens: attention in the forms that exporters write, mixers, channels-last blocks, recurrence."""

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """
    Multi-head attention by hand. `form` is "merged" (one layer for q, k and v, as timm's), "separate" (one layer each, as BERT's) or
    "grouped" (two heads of k and v for all heads of q, as Llama's).
    """

    def __init__(self, width, heads, size, form):
        super().__init__()
        self.heads, self.size, self.form = heads, size, form
        inner = heads * size
        if form == "merged":
            self.qkv = nn.Linear(width, 3 * inner)
        else:
            few = 2 * size if form == "grouped" else inner
            self.q, self.k, self.v = nn.Linear(width, inner), nn.Linear(width, few), nn.Linear(width, few)
        self.out = nn.Linear(inner, width)

    def forward(self, x, bias=None):
        n, t = x.shape[0], x.shape[1]
        if self.form == "merged":
            parts = self.qkv(x).reshape(n, t, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
            q, k, v = parts[0], parts[1], parts[2]
        else:
            split = [y.view(n, t, -1, self.size).transpose(1, 2) for y in (self.q(x), self.k(x), self.v(x))]
            q, k, v = split[0], split[1], split[2]
        if self.form == "grouped":
            times = self.heads // 2
            k = k[:, :, None].expand(n, 2, times, t, self.size).reshape(n, self.heads, t, self.size)
            v = v[:, :, None].expand(n, 2, times, t, self.size).reshape(n, self.heads, t, self.size)
        scores = q @ k.transpose(-2, -1) * self.size**-0.5
        if bias is not None:
            scores = scores + bias
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, self.heads * self.size))


class Transformer(nn.Module):
    """A linear embedding, attention and a feed-forward part, each added to its input, and a classifier of the tokens' mean."""

    def __init__(self, attention, width=8, norms=False):
        super().__init__()
        self.embed = nn.Linear(5, width)
        self.attention = attention
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)]) if norms else None
        self.up = nn.Linear(width, 12)
        self.down = nn.Linear(12, width)
        self.head = nn.Linear(width, 5)

    def attend(self, x):
        return self.attention(x)

    def forward(self, x):
        x = self.embed(x)
        first, second = self.norms or (nn.Identity(), nn.Identity())
        x = x + self.attend(first(x))
        x = x + self.down(F.gelu(self.up(second(x))) if self.norms else F.relu(self.up(x)))
        return self.head(x.mean(1))


class TorchTransformer(Transformer):
    """The same around PyTorch's own module, which wants time first."""

    def __init__(self):
        super().__init__(nn.MultiheadAttention(8, 2))

    def attend(self, x):
        x = x.transpose(0, 1)
        return self.attention(x, x, x, need_weights=False)[0].transpose(0, 1)


def transformer(form, norms=False):
    return Transformer(Attention(8, 4 if form == "grouped" else 3, 4, form), norms=norms)


class Windows(nn.Module):
    """Swin's block on 4 x 4 tokens: windows of 2 x 2, shifted or not, with a table of biases by relative position."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift
        self.embed = nn.Conv2d(3, 8, 2, 2)
        self.attention = Attention(8, 2, 4, "merged")
        self.table = nn.Parameter(torch.randn(9, 2))
        at = torch.stack(torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")).flatten(1)
        apart = at[:, :, None] - at[:, None, :] + 1
        self.register_buffer("index", (apart[0] * 3 + apart[1]).view(-1))
        # Of a buffer there would be no gradient to compare.
        self.mask = nn.Parameter(torch.randn(4, 1, 4, 4)) if shift else None
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.embed(x).permute(0, 2, 3, 1)
        y = self.norm(x)
        if self.shift:
            y = torch.roll(y, (-1, -1), (1, 2))
        y = y.view(-1, 2, 2, 2, 2, 8).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, 8)
        bias = self.table[self.index].view(4, 4, 2).permute(2, 0, 1).unsqueeze(0)
        if self.shift:
            bias = (bias + self.mask).repeat(x.shape[0], 1, 1, 1)
        y = self.attention(y, bias)
        y = y.view(-1, 2, 2, 2, 2, 8).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, 4, 8)
        if self.shift:
            y = torch.roll(y, (1, 1), (1, 2))
        return self.head((x + y).mean((1, 2)))


class Mixer(nn.Module):
    """MLP-Mixer's block: a mix of the tokens, channel by channel, and of the channels, token by token."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.norms = nn.ModuleList([nn.LayerNorm(8), nn.LayerNorm(8)])
        self.tokens = nn.Sequential(nn.Linear(9, 7), nn.GELU(), nn.Linear(7, 9))
        self.channels = nn.Sequential(nn.Linear(8, 10), nn.GELU(), nn.Linear(10, 8))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(self.norms[1](x))
        return self.head(x.mean(1))


class ConvNext(nn.Module):
    """ConvNeXt's block: depthwise, then channels last through a LayerNormalization, two layers and a scale."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 2, 2)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.norm = nn.LayerNorm(8)
        self.up = nn.Linear(8, 12)
        self.down = nn.Linear(12, 8)
        self.scale = nn.Parameter(torch.rand(8) + 0.5)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.down(F.gelu(self.up(y)))
        return self.head((x + y.permute(0, 3, 1, 2)).mean((2, 3)))


class ClassToken(nn.Module):
    """A class token before the patches, and a table of positions added to all."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.places = nn.Parameter(torch.randn(1, 5, 8))
        self.attention = Attention(8, 2, 4, "merged")
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(F.relu(x + self.attention(x))[:, 0])


class Sequence(nn.Module):
    """A recurrent layer over [N, T, features], what `read` takes of its outputs and last states, and a linear layer of 5 classes."""

    def __init__(self, layer, width, read, time_first=False):
        super().__init__()
        self.layer = layer
        self.read = read
        self.time_first = time_first
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        # Indexed, not unpacked: torch.fx cannot trace an iteration.
        both = self.layer(x.transpose(0, 1) if self.time_first else x)
        return self.head(self.read(both[0], both[1]))


def lstm():
    return Sequence(nn.LSTM(6, 8, batch_first=True), 8, lambda y, state: y[:, -1] + state[1][-1])


def lstm_bidirectional():
    layer = nn.LSTM(4, 6, num_layers=2, bidirectional=True, batch_first=True)
    return Sequence(layer, 12, lambda y, state: y.mean(1))


def gru():
    layer = nn.GRU(5, 8, num_layers=2)
    return Sequence(layer, 8, lambda y, h: h[-1], True)


def gru_bidirectional():
    layer = nn.GRU(5, 6, bidirectional=True, batch_first=True)
    return Sequence(layer, 12, lambda y, h: torch.cat([h[0], h[1]], 1))


def rnn():
    return Sequence(nn.RNN(5, 9, nonlinearity="relu"), 9, lambda y, h: y.mean(0) + h[-1], True)
