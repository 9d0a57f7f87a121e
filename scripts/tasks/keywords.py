"""A spotter of six made-up words in noise, with two layers of GRU, and its spectrograms.

    python3 keywords.py MODELS DATA

writes MODELS/keywords.onnx, DATA/keywords-train.npz and DATA/keywords-test.npz. It needs NumPy, PyTorch and onnxscript,
and some two minutes on one core. Input `frames` float32 [N, 40, 16]: 40 moments of 16 bands. Output `logits` [N, 6],
before the softmax; `target` int64 [N]: 0 noise alone, 1 a rising tone, 2 a falling one, 3 one that rises and falls,
4 one that stutters, 5 two tones that part.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

FRAMES, BANDS, WORDS = 40, 16, 6
TRAIN, TEST = 4000, 1000
EPOCHS, BATCH, RATE = 12, 32, 4e-3


def word(random, kind):
    """Loudness of bands while a word of 16 to 28 frames is said, in a voice of its own pitch and level."""
    length = int(random.integers(16, 29))
    t = np.linspace(0, 1, length)
    low, span = random.uniform(1, 5), random.uniform(5, 9)
    paths = {
        1: [low + span * t],
        2: [low + span * (1 - t)],
        3: [low + span * np.sin(np.pi * t)],
        4: [low + span / 2 + 0 * t],
        5: [low + span / 2 * (1 + t), low + span / 2 * (1 - t)],
    }[kind]
    loud = np.hanning(length + 2)[1:-1] ** 0.5 * random.uniform(0.5, 1)
    if kind == 4:
        loud = loud * (np.sin(2 * np.pi * random.uniform(2.5, 4) * t + random.uniform(0, 6)) > 0)
    bands = np.arange(BANDS)
    return sum(loud[:, None] * np.exp(-((bands - path[:, None]) ** 2) / 1.5) for path in paths)


def sound(random):
    kind = int(random.integers(WORDS))
    frames = np.abs(random.normal(0, random.uniform(0.1, 0.45), (FRAMES, BANDS))) * np.linspace(1.3, 0.7, BANDS)
    if kind:
        said = word(random, kind)
        start = random.integers(0, FRAMES - len(said) + 1)
        frames[start : start + len(said)] += said
    return np.log(frames + 0.05).astype(np.float32), kind


def dataset(count, seed):
    random = np.random.default_rng(seed)
    frames, kinds = zip(*(sound(random) for _ in range(count)))
    return np.stack(frames), np.array(kinds, np.int64)


class Spotter(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.front = nn.Linear(BANDS, 32)
        self.recurrent = nn.GRU(32, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, WORDS)

    def forward(self, frames):
        return self.head(self.recurrent(F.relu(self.front(frames)))[0][:, -1])


def train(net, frames, kinds, test_frames, test_kinds):
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-4)
    steps = EPOCHS * (len(frames) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    start = time.time()
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(frames)).split(BATCH)[: len(frames) // BATCH]:
            loss = F.cross_entropy(net(frames[batch]), kinds[batch])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5)
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            right = float((net(test_frames).argmax(1) == test_kinds).float().mean())
        print(f"epoch {epoch + 1}: right {right:.4f}, {time.time() - start:.0f} s", flush=True)


def main(models, data):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    frames, kinds = dataset(TRAIN, 1)
    test_frames, test_kinds = dataset(TEST, 2)
    np.savez_compressed(data / "keywords-train.npz", frames=frames, target=kinds)
    np.savez_compressed(data / "keywords-test.npz", frames=test_frames, target=test_kinds)
    net = Spotter()
    train(net, *map(torch.from_numpy, (frames, kinds, test_frames, test_kinds)))
    torch.onnx.export(
        net.eval(),
        (torch.from_numpy(frames[:2]),),
        models / "keywords.onnx",
        input_names=["frames"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        external_data=False,
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
