"""The networks of exports.py: small configurations of what people take from transformers, timm and torchvision."""

from dataclasses import dataclass, field

import timm_exports
import torch
import torchvision
import transformers as hub
from form import calibrate, randomize
from torch import nn


@dataclass
class Input:
    """shape: of one sample. open: symbols of axes of a sample that may be open. ids: how many token ids there are; ones: a mask."""

    name: str
    shape: tuple
    open: dict = field(default_factory=dict)
    ids: int = 0
    ones: bool = False


@dataclass
class Net:
    """sizes: for each symbol another size to run at. keywords: whether inputs go in by name."""

    name: str
    family: str
    build: object
    inputs: list
    sizes: dict = field(default_factory=dict)
    keywords: bool = True
    opset: dict = field(default_factory=dict)


def text(length=16, ids=64, mask=True):
    axes = {0: "length"}
    names = [Input("input_ids", (length,), axes, ids=ids)]
    return names + ([Input("attention_mask", (length,), axes, ones=True)] if mask else [])


def picture(size=64, name="pixel_values", open=False):
    return [Input(name, (3, size, size), {1: "height", 2: "width"} if open else {})]


def of_hub(kind, config, **more):
    def build():
        return getattr(hub, kind)(getattr(hub, config)(**more))

    return build


SMALL = dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
BERT = dict(SMALL, max_position_embeddings=64, attn_implementation="eager")
LLAMA = dict(SMALL, num_key_value_heads=2, max_position_embeddings=64, use_cache=False)
VIT = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=64, patch_size=16)
LENGTH = {"length": 11}


def words(name, kind, config, **more):
    return Net(name, "transformers", of_hub(kind, config, **more), text(), LENGTH)


TRANSFORMERS = [
    words("bert", "BertForSequenceClassification", "BertConfig", **BERT),
    words("roberta", "RobertaModel", "RobertaConfig", **dict(BERT, max_position_embeddings=66, pad_token_id=1)),
    words("distilbert", "DistilBertForSequenceClassification", "DistilBertConfig", vocab_size=64, dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=64),
    words("albert", "AlbertModel", "AlbertConfig", **dict(BERT, embedding_size=16)),
    words("electra", "ElectraModel", "ElectraConfig", **dict(BERT, embedding_size=16)),
    words("mpnet", "MPNetModel", "MPNetConfig", **BERT),
    words("deberta", "DebertaV2Model", "DebertaV2Config", **dict(BERT, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8)),
    words("xlnet-like-t5", "T5EncoderModel", "T5Config", vocab_size=64, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4),
    words("gpt2", "GPT2LMHeadModel", "GPT2Config", vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=64, use_cache=False),
    words("gpt-neox", "GPTNeoXForCausalLM", "GPTNeoXConfig", **dict(SMALL, use_cache=False, max_position_embeddings=64)),
    words("opt", "OPTModel", "OPTConfig", vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=64, word_embed_proj_dim=32, max_position_embeddings=64, use_cache=False),
    words("llama", "LlamaForCausalLM", "LlamaConfig", **LLAMA),
    words("mistral", "MistralForCausalLM", "MistralConfig", **dict(LLAMA, sliding_window=None)),
    words("qwen2", "Qwen2ForCausalLM", "Qwen2Config", **LLAMA),
    words("qwen3", "Qwen3ForCausalLM", "Qwen3Config", **dict(LLAMA, head_dim=8)),
    words("gemma", "GemmaForCausalLM", "GemmaConfig", **dict(LLAMA, head_dim=8)),
    words("gemma3", "Gemma3ForCausalLM", "Gemma3TextConfig", **dict(LLAMA, head_dim=8, sliding_window=8)),
    words("phi", "PhiForCausalLM", "PhiConfig", **dict(LLAMA, num_key_value_heads=4)),
    words("phi3", "Phi3ForCausalLM", "Phi3Config", **dict(LLAMA, pad_token_id=0, bos_token_id=1, eos_token_id=2)),
    words("modernbert", "ModernBertModel", "ModernBertConfig", **dict(SMALL, max_position_embeddings=64, pad_token_id=0, cls_token_id=1, sep_token_id=2, attn_implementation="eager", reference_compile=False)),
    words("clip-text", "CLIPTextModel", "CLIPTextConfig", **dict(SMALL, max_position_embeddings=64, eos_token_id=2)),
    Net("bart-encoder", "transformers", lambda: hub.BartModel(hub.BartConfig(vocab_size=64, d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64)).encoder, text(), LENGTH),
    Net("whisper-encoder", "transformers", lambda: hub.WhisperModel(hub.WhisperConfig(vocab_size=64, d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, num_mel_bins=16, max_source_positions=20, max_target_positions=16, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1)).encoder, [Input("input_features", (16, 40))]),
    Net("wav2vec2", "transformers", of_hub("Wav2Vec2Model", "Wav2Vec2Config", hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, conv_dim=(16, 16), conv_stride=(5, 2), conv_kernel=(10, 3), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4), [Input("input_values", (800,), {0: "samples"})], {"samples": 1200}),
    Net("vit", "transformers", of_hub("ViTForImageClassification", "ViTConfig", **VIT), picture()),
    Net("deit", "transformers", of_hub("DeiTModel", "DeiTConfig", **VIT), picture()),
    Net("beit", "transformers", of_hub("BeitModel", "BeitConfig", **dict(VIT, use_relative_position_bias=True)), picture()),
    Net("dinov2", "transformers", of_hub("Dinov2Model", "Dinov2Config", **dict(VIT, mlp_ratio=2)), picture()),
    Net("clip-vision", "transformers", of_hub("CLIPVisionModel", "CLIPVisionConfig", **VIT), picture()),
    Net("siglip-vision", "transformers", of_hub("SiglipVisionModel", "SiglipVisionConfig", **VIT), picture()),
    Net("swin", "transformers", of_hub("SwinModel", "SwinConfig", image_size=64, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4), picture()),
    Net("segformer", "transformers", of_hub("SegformerForSemanticSegmentation", "SegformerConfig", hidden_sizes=[16, 16, 32, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=32, num_labels=4), picture(open=True), {"height": 96, "width": 64}),
    Net("convnextv2", "transformers", of_hub("ConvNextV2Model", "ConvNextV2Config", hidden_sizes=[16, 16, 32, 32], depths=[1, 1, 1, 1], image_size=64), picture()),
    Net("mobilevit", "transformers", of_hub("MobileViTModel", "MobileViTConfig", hidden_sizes=[16, 24, 32], neck_hidden_sizes=[8, 16, 16, 24, 32, 32, 64], num_attention_heads=4, image_size=64), picture()),
    Net("resnet-hub", "transformers", of_hub("ResNetForImageClassification", "ResNetConfig", hidden_sizes=[16, 32, 32, 64], depths=[1, 1, 1, 1], embedding_size=16), picture(open=True), {"height": 96, "width": 64}),
    Net("detr-like-yolos", "transformers", of_hub("YolosForObjectDetection", "YolosConfig", **dict(VIT, image_size=[64, 64], num_detection_tokens=8)), picture()),
]


def seen(name, build, size=64, open=True):
    return Net(name, "torchvision", build, picture(size, "input", open), {"height": 96, "width": 64} if open else {}, keywords=False)


def vision(name, size=64, open=True, **more):
    return seen(name, lambda: getattr(torchvision.models, name)(weights=None, num_classes=10, **more), size, open)


class Pyramid(nn.Module):
    """A feature pyramid over a small backbone, with the heads of a one-stage detector."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU()) for a, b in ((3, 16), (16, 24), (24, 32))
        )
        self.pyramid = torchvision.ops.FeaturePyramidNetwork([16, 24, 32], 16)
        self.scores = nn.Conv2d(16, 4, 1)
        self.boxes = nn.Conv2d(16, 4, 1)

    def forward(self, x):
        levels = {}
        for i, stage in enumerate(self.stages):
            x = levels[str(i)] = stage(x)
        outs = list(self.pyramid(levels).values())
        join = lambda head: torch.cat([head(y).flatten(2).transpose(1, 2) for y in outs], 1)
        return join(self.scores).sigmoid(), join(self.boxes)


class Unet(nn.Module):
    """A U-Net with GroupNorm whose decoder resizes to the sizes of what it joins."""

    def __init__(self, norm=lambda c: nn.GroupNorm(4, c)):
        super().__init__()
        block = lambda a, b: nn.Sequential(nn.Conv2d(a, b, 3, padding=1), norm(b), nn.SiLU())
        self.down = nn.ModuleList([block(3, 16), block(16, 32), block(32, 32)])
        self.up = nn.ModuleList([block(64, 32), block(48, 16)])
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        kept = []
        for one in self.down:
            x = one(x)
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = kept.pop()
        for one in self.up:
            other = kept.pop()
            x = nn.functional.interpolate(x, size=other.shape[-2:], mode="bilinear", align_corners=False)
            x = one(torch.cat([x, other], 1))
        return self.head(x)


class Recurrent(nn.Module):
    """A recurrent tagger over features."""

    def __init__(self, kind):
        super().__init__()
        self.net = getattr(nn, kind)(20, 24, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, 5)

    def forward(self, x):
        return self.head(self.net(x)[0])


class Keywords(nn.Module):
    """Convolutions and a GRU over a spectrogram, as keyword spotters have them."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(16, 24, 5, padding=2), nn.BatchNorm1d(24), nn.ReLU())
        self.net = nn.GRU(24, 16, batch_first=True)
        self.head = nn.Linear(16, 6)

    def forward(self, x):
        return self.head(self.net(self.conv(x).transpose(1, 2))[0][:, -1])


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
        self.net = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 5)

    def forward(self, x):
        return self.head(self.net(x).mean(1))


class SuperResolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 24, 5, padding=2), nn.PReLU(24), nn.Conv2d(24, 24, 3, padding=1), nn.PReLU(24))
        self.tail = nn.Sequential(nn.Conv2d(24, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, x):
        return self.tail(self.body(x))


features = lambda: [Input("input", (12, 20), {0: "length"})]

TORCHVISION = [
    vision("resnet18"),
    vision("mobilenet_v2"),
    vision("mobilenet_v3_small"),
    vision("shufflenet_v2_x0_5"),
    vision("squeezenet1_1", open=False),
    vision("regnet_y_400mf"),
    vision("efficientnet_b0"),
    vision("mnasnet0_5"),
    seen("lraspp", lambda: torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4)),
    seen("deeplab", lambda: torchvision.models.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4)),
    seen("pyramid", Pyramid),
    seen("unet-groupnorm", Unet),
    seen("unet-batchnorm", lambda: Unet(nn.BatchNorm2d)),
    seen("super-resolution", SuperResolution),
    Net("lstm", "torch", lambda: Recurrent("LSTM"), features(), LENGTH, keywords=False),
    Net("gru", "torch", lambda: Recurrent("GRU"), features(), LENGTH, keywords=False),
    Net("keywords", "torch", Keywords, [Input("input", (16, 25), {1: "length"})], {"length": 31}, keywords=False),
    Net("encoder", "torch", Encoder, [Input("input", (12, 32), {0: "length"})], LENGTH, keywords=False),
]


def of_timm(name, net):
    kind, size, options = net

    def build():
        model = timm_exports.build(kind, size, options)
        randomize(model)
        model.eval()
        calibrate(model, torch.randn(8, 3, size, size))
        return model

    return Net(f"timm-{name}", "timm", build, picture(size, "input"), keywords=False)


TIMM = [of_timm(name, net) for name, net in timm_exports.NETS.items()]

NETS = TRANSFORMERS + TORCHVISION + TIMM
