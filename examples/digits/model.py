"""DigitNet: a small convolutional classifier of 8 x 8 pictures of digits."""

from torch import nn


class DigitNet(nn.Module):
    """Two convolutions, one pooling, two linear layers.

    Input: float32 [batch, 1, 8, 8], 0 (paper) to 1 (ink). Output: logits [batch, num_classes], no softmax.
    """

    def __init__(self, num_classes=10, width=16, hidden=64):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width * 2, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(width * 2 * 4 * 4, hidden),
            nn.ReLU(),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, images):
        """Return the logits."""
        return self.classifier(self.features(images))
