"""Writes images.json: images that torchattacks makes of a small fixed network, after each step.

    pip install torch torchattacks      # written with torch 2.9.1, torchattacks 3.5.1
    python make.py

The network is a 3 x 3 convolution with padding, tanh, the mean over all places, and a linear layer. tanh has no kinks, so that signs
of gradients do not hang on the last bit.
"""

import json
import pathlib

import torch
import torchattacks

EPSILON, ALPHA, STEPS = 8 / 255, 2 / 255, 6
L2_EPSILON, L2_ALPHA = 0.5, 0.1
IMAGES, CHANNELS, SIDE, WIDTH, CLASSES = 2, 3, 8, 4, 5


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(CHANNELS, WIDTH, 3, padding=1)
        self.head = torch.nn.Linear(WIDTH, CLASSES)

    def forward(self, x):
        return self.head(torch.tanh(self.conv(x)).mean(dim=(2, 3)))


def flat(tensor):
    return tensor.detach().flatten().tolist()


def main():
    torch.manual_seed(20)
    model = Small().eval()
    with torch.no_grad():
        model.head.weight.mul_(8)
    images = torch.rand(IMAGES, CHANNELS, SIDE, SIDE)
    # Values at both ends of the range: the clip is then at work.
    images[:, :, 0] = 0
    images[:, :, -1] = 1
    labels = torch.arange(IMAGES) % CLASSES
    aims = (labels + 2) % CLASSES

    def attacked(make, aimed=False):
        steps = []
        for count in range(1, STEPS + 1):
            attack = make(count)
            if aimed:
                attack.set_mode_targeted_by_label(quiet=True)
            steps.append(flat(attack(images, aims if aimed else labels)))
        return steps

    def linf(count):
        return torchattacks.PGD(model, eps=EPSILON, alpha=ALPHA, steps=count, random_start=False)

    def l2(count):
        return torchattacks.PGDL2(model, eps=L2_EPSILON, alpha=L2_ALPHA, steps=count, random_start=False)

    out = {
        "shape": [IMAGES, CHANNELS, SIDE, SIDE],
        "epsilon": EPSILON, "alpha": ALPHA, "l2_epsilon": L2_EPSILON, "l2_alpha": L2_ALPHA, "steps": STEPS,
        "conv_weight": flat(model.conv.weight), "conv_bias": flat(model.conv.bias),
        "head_weight": flat(model.head.weight), "head_bias": flat(model.head.bias),
        "images": flat(images), "labels": labels.tolist(), "aims": aims.tolist(), "logits": flat(model(images)),
        "linf": attacked(linf), "l2": attacked(l2), "targeted": attacked(linf, aimed=True),
    }
    shortest = {
        key: [[float(f"{v:.9g}") for v in step] for step in value] if key in ("linf", "l2", "targeted")
        else [float(f"{v:.9g}") for v in value] if key.endswith(("weight", "bias", "images", "logits")) else value
        for key, value in out.items()
    }
    path = pathlib.Path(__file__).parent / "images.json"
    path.write_text(json.dumps(shortest, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
