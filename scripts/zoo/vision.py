"""The families of torchvision."""

from functools import partial

import torch
import torchvision.models as models
import torchvision.models.segmentation as segmentation
from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from form import First, Net

CLASSES = 100

# Swin v2 zeroes the keys' part of a bias in place. The exporter knows that as a copy only, and loses it: see KeyBias.
torch.Tensor.zero_ = lambda self: self.copy_(torch.zeros_like(self))


class KeyBias(nn.Module):
    """The bias of queries, keys and values with that of the keys at zero."""

    def __init__(self, size):
        super().__init__()
        self.register_buffer("keep", (torch.arange(size) * 3 // size != 1).float())

    def forward(self, bias):
        return bias * self.keep


def swin_v2_t(**options):
    net = models.swin_v2_t(**options)
    for module in net.modules():
        if hasattr(module, "qkv"):
            register_parametrization(module.qkv, "bias", KeyBias(module.qkv.bias.numel()))
    return net


def settle(model):
    """Layer scales of 1e-6 would hide every block behind its shortcut."""
    for name, p in model.named_parameters():
        if name.endswith("layer_scale"):
            nn.init.uniform_(p, 0.5, 1.5)
    return model


def classifier(build, size=64, **options):
    settings = {k: options.pop(k) for k in list(options) if k in ("opset", "kept", "note")}
    return Net(lambda: settle(build(weights=None, num_classes=CLASSES, **options)), (3, size, size), **settings)


def segmenter(build, size=64, **settings):
    net = lambda: First(build(weights=None, weights_backbone=None, num_classes=8), "out")
    return Net(net, (3, size, size), **settings)


def small_vit():
    return models.VisionTransformer(96, 16, 6, 3, 192, 768, num_classes=CLASSES)


def inception_v3(**options):
    net = models.inception_v3(aux_logits=False, init_weights=True, **options)
    # 2048 weights of size 0.1 would give logits of a hundred.
    nn.init.normal_(net.fc.weight, 0, 0.01)
    return net


NETS = {
    "alexnet": classifier(models.alexnet, 224, opset=11, kept=False),
    "vgg11_bn": classifier(models.vgg11_bn, 224, opset=13),
    "resnet18": classifier(models.resnet18, opset=15),
    "resnet50": classifier(models.resnet50, 32, kept=False),
    "resnext50_32x4d": classifier(models.resnext50_32x4d, 32, opset=13),
    "wide_resnet50_2": classifier(models.wide_resnet50_2, 32, opset=13, kept=False),
    "densenet121": classifier(models.densenet121, 32),
    "squeezenet1_1": classifier(models.squeezenet1_1, opset=11, kept=False),
    "googlenet": classifier(partial(models.googlenet, aux_logits=False, init_weights=True), opset=13),
    "inception_v3": classifier(inception_v3, 80, kept=False),
    "mobilenet_v2": classifier(models.mobilenet_v2, opset=11, kept=False),
    "mobilenet_v3_small": classifier(models.mobilenet_v3_small),
    "mnasnet0_5": classifier(models.mnasnet0_5, opset=13, kept=False),
    "efficientnet_b0": classifier(models.efficientnet_b0),
    "efficientnet_v2_s": classifier(models.efficientnet_v2_s, opset=15, kept=False),
    "shufflenet_v2_x1_0": classifier(models.shufflenet_v2_x1_0),
    "regnet_x_400mf": classifier(models.regnet_x_400mf, 32, opset=13, kept=False),
    "regnet_y_400mf": classifier(models.regnet_y_400mf, 32),
    "convnext_tiny": classifier(models.convnext_tiny),
    "vit": Net(small_vit, (3, 96, 96), note="torchvision's VisionTransformer, 6 layers of width 192"),
    "vit-13": Net(small_vit, (3, 96, 96), 13, False, note="the same in opset 13, LayerNormalization taken apart"),
    "swin_t": classifier(models.swin_t, 224),
    "swin_v2_t": classifier(swin_v2_t, 256),
    "maxvit_t": classifier(models.maxvit_t, 224),
    "fcn_resnet50": segmenter(segmentation.fcn_resnet50, 16, opset=13),
    "deeplabv3_resnet50": segmenter(segmentation.deeplabv3_resnet50, 16),
    "deeplabv3_mobilenet_v3_large": segmenter(segmentation.deeplabv3_mobilenet_v3_large, 32, opset=15, kept=False),
    "lraspp_mobilenet_v3_large": segmenter(segmentation.lraspp_mobilenet_v3_large),
}
