"""TinyYolo: a single-shot detector with one grid and a few anchors."""

from torch import nn


class ConvBlock(nn.Module):
    """Convolution, batch norm, SiLU."""

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.act = nn.SiLU()

    def forward(self, x):
        """Run the block."""
        return self.act(self.bn(self.conv(x)))


class TinyYolo(nn.Module):
    """Predict, for every cell of a grid of stride 16, one box per anchor.

    Input: float32 [batch, 3, H, W], RGB, 0..1, H and W multiples of 16.
    Output: raw values [batch, num_anchors * (5 + num_classes), H / 16, W / 16];
    per anchor x, y, w, h, objectness, then one value per class, none of them through a sigmoid yet.
    """

    stride = 16

    def __init__(self, num_classes=3, num_anchors=2, width=12, depth=1):
        super().__init__()
        self.backbone = nn.Sequential(
            ConvBlock(3, width, stride=2),
            ConvBlock(width, width * 2, stride=2),
            ConvBlock(width * 2, width * 4, stride=2),
            ConvBlock(width * 4, width * 4),
            ConvBlock(width * 4, width * 8, stride=2),
        )
        self.neck = nn.Sequential(*[ConvBlock(width * 8, width * 8) for _ in range(depth)])
        self.head = nn.Conv2d(width * 8, num_anchors * (5 + num_classes), 1)

    def forward(self, images):
        """Return the raw grid."""
        return self.head(self.neck(self.backbone(images)))
