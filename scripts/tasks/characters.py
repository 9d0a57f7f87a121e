"""A language model of characters, a transformer of two layers, and the texts that it learned from.

    python3 characters.py MODELS DATA TEXTS...

writes MODELS/characters.onnx, DATA/characters-train.npz, DATA/characters-test.npz and DATA/characters.txt, the
characters in the order of their ids. TEXTS are files of text, of which each gives its last tenth for testing. It needs
NumPy, PyTorch and onnxscript, and some five minutes on one core. Input `input_ids` int64 [N, 64]; output `logits`
[N, 64, V], before the softmax; `target` int64 [N, 64] is what follows each character. Id 0 is any rare character.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

LENGTH, RAREST = 64, 20
TEST = 500
WIDTH, HEADS, HIDDEN, LAYERS = 128, 4, 384, 2
STEPS, BATCH, RATE = 1500, 32, 3e-3


def characters(texts):
    """Ids of all characters that are not rare, and the texts with a space in place of each stretch of space."""
    texts = [" ".join(Path(text).read_text(encoding="utf-8").split()) for text in texts]
    counts = Counter("".join(texts))
    known = sorted(c for c, count in counts.items() if count >= RAREST)
    ids = {c: i + 1 for i, c in enumerate(known)}
    return known, [np.array([ids.get(c, 0) for c in text], np.int64) for text in texts]


def windows(parts):
    """Stretches of 65 characters, one behind the other."""
    rows = [part[i : i + LENGTH + 1] for part in parts for i in range(0, len(part) - LENGTH, LENGTH)]
    return np.stack(rows)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x):
        query, key, value = (
            layer(x).reshape(-1, LENGTH, HEADS, WIDTH // HEADS).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.output(mixed.transpose(1, 2).reshape(-1, LENGTH, WIDTH))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.mlp = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Characters(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        self.positions = nn.Parameter(torch.randn(LENGTH, WIDTH) * 0.02)
        self.layers = nn.Sequential(*(Layer() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, input_ids):
        return self.head(self.norm(self.layers(self.tokens(input_ids) + self.positions)))


def measure(net, rows):
    """Mean loss in nats, and the share of characters that were the likeliest."""
    losses, hits = [], []
    with torch.no_grad():
        for part in rows.split(100):
            logits, wanted = net(part[:, :-1]), part[:, 1:]
            losses.append(F.cross_entropy(logits.transpose(1, 2), wanted, reduction="none"))
            hits.append(logits.argmax(2) == wanted)
    return float(torch.cat(losses).mean()), float(torch.cat(hits).float().mean())


def train(net, rows, test):
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.05, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS, pct_start=0.1)
    start = time.time()
    for step in range(STEPS):
        part = rows[torch.randint(len(rows), (BATCH,))]
        loss = F.cross_entropy(net(part[:, :-1]).transpose(1, 2), part[:, 1:])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1)
        optimiser.step()
        schedule.step()
        if step % 250 == 249:
            nats, share = measure(net.eval(), test)
            net.train()
            print(
                f"step {step + 1}: test loss {nats:.4f}, next right {share:.4f}, {time.time() - start:.0f} s",
                flush=True,
            )


def main(models, data, *texts):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    known, parts = characters(texts)
    (data / "characters.txt").write_text("".join(known), encoding="utf-8")
    rows = windows([part[: len(part) * 9 // 10] for part in parts])
    test = windows([part[len(part) * 9 // 10 :] for part in parts])
    test = test[np.random.default_rng(1).permutation(len(test))[:TEST]]
    for name, part in {"train": rows, "test": test}.items():
        np.savez_compressed(data / f"characters-{name}.npz", input_ids=part[:, :-1], target=part[:, 1:])
    net = Characters(len(known) + 1)
    train(net, torch.from_numpy(rows), torch.from_numpy(test))
    torch.onnx.export(
        net.eval(),
        (torch.from_numpy(rows[:2, :-1].copy()),),
        models / "characters.onnx",
        input_names=["input_ids"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        external_data=False,
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]), *sys.argv[3:])
