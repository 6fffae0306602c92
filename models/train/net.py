"""The network of the `carryout` detector: a grey picture and what differs in it from the shop without people in, a heat map of people's
middles and what belongs to each out.

It is small on purpose: a shop's computer has no graphics card and four or more cameras. Plain 3x3 convolutions while the
picture is large and has few planes, inverted residuals (Sandler et al., "MobileNetV2", 2018) down to stride 32 for the
surroundings of a person, and a light way back up to stride 8 (Lin et al., "Feature Pyramid Networks", 2017).

What the outputs mean is in `src/perception/decode/carryout.rs`; how they are taught, in `loss.py`.
"""

import torch
from torch import nn
from torch.nn import functional as F

STRIDE = 8
KEYPOINTS = ["head", "left_hand", "right_hand", "floor"]
# Input pixels, width and height: a 640 x 360 picture stands top left, and 384 is the next multiple of 32.
WIDTH, HEIGHT = 640, 384
# Luma to network: (x - MEAN) / STD. Luma spans 16..235, so about -1.75..1.7.
MEAN, STD = 128.0, 64.0
# What differs, levels 0..255, is divided by this; 0.4 is "surely something".
CHANGE_STD = 64.0
# Grey, and what differs.
CHANNELS = 2
# Planes of the regression head: 4 edges, dx and dy of the points, logits of their being seen.
PLANES = 4 + 3 * len(KEYPOINTS)
# The head's raw numbers are of order 1; people are about 15 strides tall.
REACH = 4.0


class Planewise(nn.Conv2d):
    """Each plane by itself, always in float32: learning that in bfloat16 takes a processor up to 17 times as long."""

    def forward(self, x):
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


def conv(inside, outside, size=3, stride=1, groups=1, act=True):
    layers = [
        (nn.Conv2d if groups == 1 else Planewise)(inside, outside, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside, momentum=0.05),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if act else []))


class Inverted(nn.Module):
    """Widen, look around plane by plane, narrow; added to what came in where the shapes agree."""

    def __init__(self, inside, outside, widen, stride=1, size=3):
        super().__init__()
        wide = inside * widen
        self.same = stride == 1 and inside == outside
        self.body = nn.Sequential(
            conv(inside, wide, 1), conv(wide, wide, size, stride, groups=wide), conv(wide, outside, 1, act=False)
        )

    def forward(self, x):
        return x + self.body(x) if self.same else self.body(x)


def apart(inside, outside, size=3):
    """Depthwise, then pointwise."""
    return nn.Sequential(conv(inside, inside, size, groups=inside, act=False), conv(inside, outside, 1))


class Net(nn.Module):
    """`forward` gives heat logits `[n, 1, h, w]` and raw regressions `[n, PLANES, h, w]`, h = height / STRIDE."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv(CHANNELS, 16, stride=2), conv(16, 24, stride=2), conv(24, 40, stride=2))
        self.at8 = Inverted(40, 40, 2)
        self.at16 = nn.Sequential(Inverted(40, 72, 3, 2), Inverted(72, 72, 3), Inverted(72, 72, 3))
        self.at32 = nn.Sequential(
            Inverted(72, 112, 3, 2), Inverted(112, 112, 3, size=5), Inverted(112, 112, 3, size=5), Inverted(112, 112, 3, size=5)
        )
        neck = 48
        self.side32, self.side16, self.side8 = conv(112, neck, 1), conv(72, neck, 1), conv(40, neck, 1)
        self.mix16, self.mix8 = apart(neck, neck, 5), apart(neck, 64, 5)
        self.tower_heat, self.tower_rest = apart(64, 64), apart(64, 64)
        self.heat, self.rest = nn.Conv2d(64, 1, 1), nn.Conv2d(64, PLANES, 1)
        for head in (self.heat, self.rest):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
        # Focal loss begins from "hardly anybody anywhere": sigmoid(-3) = 0.05.
        nn.init.constant_(self.heat.bias, -3.0)

    def forward(self, x):
        c8 = self.at8(self.stem(x))
        c16 = self.at16(c8)
        c32 = self.at32(c16)
        up = self.mix16(self.side16(c16) + F.interpolate(self.side32(c32), scale_factor=2.0, mode="nearest"))
        out = self.mix8(self.side8(c8) + F.interpolate(up, scale_factor=2.0, mode="nearest"))
        return self.heat(self.tower_heat(out)), self.rest(self.tower_rest(out))


def edges_of(rest):
    """Left, top, right, bottom, strides, >= 0."""
    return F.softplus(rest[:, :4]) * REACH


def points_of(rest):
    return rest[:, 4 : 4 + 2 * len(KEYPOINTS)] * REACH


class Shipped(nn.Module):
    """What goes into the file: probabilities, only the peaks of the heat map, distances in strides."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, picture):
        heat, rest = self.net(picture)
        heat = torch.sigmoid(heat)
        peak = (heat >= F.max_pool2d(heat, 3, 1, 1)).to(heat.dtype)
        return heat * peak, edges_of(rest), points_of(rest), torch.sigmoid(rest[:, 4 + 2 * len(KEYPOINTS) :])


def cost(net, size=(HEIGHT, WIDTH)):
    """Multiply-adds of one picture, and parameters."""
    total = [0]

    def count(module, _, out):
        k = module.kernel_size[0] * module.kernel_size[1] * module.in_channels // module.groups
        total[0] += k * out.numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        net.eval()(torch.zeros(1, CHANNELS, *size))
    for hook in hooks:
        hook.remove()
    return total[0], sum(p.numel() for p in net.parameters())
