"""Networks over sequences: encoders and a decoder of attention, LSTM and GRU."""

import math

import torch
from torch import nn

from form import Net

WORDS = 200
LENGTH = 24


class Attention(nn.Module):
    """Heads by view and transpose; `joint` makes queries, keys and values by one matrix."""

    def __init__(self, width, heads, joint):
        super().__init__()
        self.heads = heads
        self.joint = nn.Linear(width, 3 * width) if joint else None
        if not joint:
            self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, x, hidden):
        n, length, width = x.shape
        apart = lambda y: y.view(n, length, self.heads, width // self.heads).transpose(1, 2)
        if self.joint is not None:
            q, k, v = map(apart, self.joint(x).chunk(3, 2))
        else:
            q, k, v = apart(self.query(x)), apart(self.key(x)), apart(self.value(x))
        scores = q @ k.transpose(2, 3) / math.sqrt(width // self.heads)
        y = scores.masked_fill(hidden, -1e4).softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(n, length, width))


class Layer(nn.Module):
    """Normalised after the sum (BERT) or before the block (GPT)."""

    def __init__(self, width, heads, joint, before):
        super().__init__()
        self.attention = Attention(width, heads, joint)
        self.norm1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norm2 = nn.LayerNorm(width)
        self.before = before

    def forward(self, x, hidden):
        if self.before:
            x = x + self.attention(self.norm1(x), hidden)
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x, hidden))
        return self.norm2(x + self.mlp(x))


class Bert(nn.Module):
    """Token, position and segment embeddings, four layers, a pooler on the first token, and a classifier."""

    def __init__(self, width=128, heads=4, depth=4, classes=6):
        super().__init__()
        self.words = nn.Embedding(WORDS, width)
        self.places = nn.Embedding(LENGTH, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, heads, False, False) for _ in range(depth))
        self.pool = nn.Linear(width, width)
        self.head = nn.Linear(width, classes)

    def forward(self, ids):
        places = torch.arange(ids.shape[1]).unsqueeze(0)
        x = self.norm(self.words(ids) + self.places(places))
        hidden = ids.eq(0)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, hidden)
        return self.head(torch.tanh(self.pool(x[:, 0])))


class Gpt(nn.Module):
    """A decoder: each position sees those before it, and every position gives scores for the next token."""

    def __init__(self, width=96, heads=3, depth=3):
        super().__init__()
        self.words = nn.Embedding(WORDS, width)
        self.places = nn.Parameter(torch.randn(LENGTH, width) * 0.5)
        self.layers = nn.ModuleList(Layer(width, heads, True, True) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 50)

    def forward(self, ids):
        x = self.words(ids) + self.places
        hidden = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).triu(1)
        for layer in self.layers:
            x = layer(x, hidden)
        return self.head(self.norm(x)).transpose(1, 2)


class Encoder(nn.Module):
    """torch.nn.TransformerEncoder over feature vectors."""

    def __init__(self, width=64, heads=4, depth=3, classes=6):
        super().__init__()
        self.enter = nn.Linear(20, width)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, "gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, depth)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.layers(self.enter(x)).mean(1))


class Recurrent(nn.Module):
    """Embeddings or features, a recurrent net, and a classifier on the last step (both ways: on the mean)."""

    def __init__(self, kind, layers=1, both=False, words=False, width=48, classes=6):
        super().__init__()
        self.enter = nn.Embedding(WORDS, 32) if words else nn.Linear(20, 32)
        self.rnn = kind(32, width, layers, batch_first=True, bidirectional=both)
        self.head = nn.Linear(width * (2 if both else 1), classes)

    def forward(self, x):
        steps = self.rnn(self.enter(x))[0]
        return self.head(steps.mean(1) if self.rnn.bidirectional else steps[:, -1])


FEATURES = (12, 20)
NETS = {
    "bert": Net(Bert, (LENGTH,), ids=WORDS, note="own code, 4 layers of width 128"),
    "bert-13": Net(Bert, (LENGTH,), 13, False, ids=WORDS, note="the same in opset 13"),
    "gpt": Net(Gpt, (LENGTH,), 15, ids=WORDS, note="own code, causal, one matrix for queries, keys and values"),
    "transformer_encoder": Net(Encoder, FEATURES, note="torch.nn.TransformerEncoder"),
    "lstm": Net(lambda: Recurrent(nn.LSTM), FEATURES, 13, False, note="own code"),
    "lstm-words": Net(lambda: Recurrent(nn.LSTM, 2, True, True), (LENGTH,), ids=WORDS, note="2 layers, both ways"),
    "gru": Net(lambda: Recurrent(nn.GRU, 2), FEATURES, 13, False, note="own code, 2 layers"),
    "gru-both": Net(lambda: Recurrent(nn.GRU, 1, True), FEATURES, 15, note="own code, both ways"),
    "rnn": Net(lambda: Recurrent(nn.RNN), FEATURES, 13, False, note="own code"),
}
