# The same measurements in Python, on the same libtorch: python3 bench/torch_side.py CASE REPEAT LEVERS THREADS BATCH.
# `operators` prints one JSON line. A training case does one step for every line it reads and answers with its time and loss;
# at the end of input it prints its peak memory. That way the two sides take turns step by step.
# Networks and weights are those of node-side.mjs: same shapes, same formula for every tensor of the state dict.
import json
import math
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class BasicBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.downsample = None
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, blocks, width, channels, classes=10):
        super().__init__()
        self.large = classes == 1000
        self.conv1 = nn.Conv2d(channels, width, *((7, 2, 3) if self.large else (3, 1, 1)), bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        cin = width
        stages = []
        for i, count in enumerate(blocks):
            cout = width << i
            stages.append(nn.Sequential(*[BasicBlock(cin if j == 0 else cout, cout, 2 if i > 0 and j == 0 else 1) for j in range(count)]))
            cin = cout
        self.stages = nn.ModuleList(stages)
        self.fc = nn.Linear(cin, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if self.large:
            x = F.max_pool2d(x, 3, 2, 1)
        for stage in self.stages:
            x = stage(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        n, l, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, l, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = ((q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
        x = x + self.proj((weights @ v).transpose(1, 2).reshape(n, l, c))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 197, width) * 0.02)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(12)])
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.fc = nn.Linear(width, 1000)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(len(x), -1, -1), x), 1) + self.places
        return self.fc(self.norm(self.blocks(x))[:, 0])


class WideBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(cin)
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.shortcut = None if cin == cout else nn.Conv2d(cin, cout, 1, stride, bias=False)

    def forward(self, x):
        before = self.bn1(x)
        y = F.relu(before)
        shortcut = x if self.shortcut is None else self.shortcut(y)
        return before, self.conv2(F.relu(self.bn2(self.conv1(y)))) + shortcut


class WideResNet(nn.Module):
    """Gives scores, and for OFD what the second and third stage and the end have before their activation."""

    def __init__(self, depth, widen):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        cin, blocks = 16, []
        for i in range(3):
            for j in range((depth - 4) // 6):
                cout = (16 << i) * widen
                blocks.append(WideBlock(cin, cout, 2 if i > 0 and j == 0 else 1))
                cin = cout
        self.blocks, self.per_stage = nn.ModuleList(blocks), (depth - 4) // 6
        self.bn1, self.fc = nn.BatchNorm2d(cin), nn.Linear(cin, 10)

    def forward(self, x):
        x, maps = self.conv1(x), []
        for i, block in enumerate(self.blocks):
            before, x = block(x)
            if i > 0 and i % self.per_stage == 0:
                maps.append(before)
        x = self.bn1(x)
        maps.append(x)
        return self.fc(F.adaptive_avg_pool2d(F.relu(x), 1).flatten(1)), maps


class OFD(nn.Module):
    """Heo et al., arXiv 1904.01866: connectors of the student, margins of the teacher."""

    def __init__(self):
        super().__init__()
        self.connectors = nn.ModuleList(nn.Sequential(nn.Conv2d(2 * c, 4 * c, 1, bias=False), nn.BatchNorm2d(4 * c)) for c in (16, 32, 64))
        self.margins = nn.ParameterList(nn.Parameter(torch.full((1, 4 * c, 1, 1), -0.8), requires_grad=False) for c in (16, 32, 64))

    def forward(self, of_student, of_teacher):
        total = 0
        for i, (s, t) in enumerate(zip(of_student, of_teacher)):
            s, t = self.connectors[i](s), torch.max(t, self.margins[i])
            total = total + 0.25 * 2 ** (i - 2) / (1000 * len(s)) * ((s - t) ** 2 * ((s > t) | (t > 0))).sum()
        return total


def wave(n, a, b, scale):
    return torch.sin(torch.arange(n, dtype=torch.float64) * a + b).mul(scale).float()


def fill(model):
    with torch.no_grad():
        model.fc.bias.zero_()
        for k, t in enumerate(model.parameters()):
            if t.dim() > 1:
                fan = t[0].numel()
                t.copy_(wave(t.numel(), 0.37 + 0.01 * (k % 7), k, math.sqrt(4 / fan)).view(t.shape))


NETS = {  # blocks, width
    "resnet20": ([3, 3, 3], 16),
    "resnet18": ([2, 2, 2, 2], 64),
    "resnet34": ([3, 4, 6, 3], 64),
    "student": ([1, 1, 1], 8),
}
LARGE = {  # for images of 224x224, 1000 classes
    "resnet18-224": lambda: ResNet([2, 2, 2, 2], 64, 3, 1000),
    "resnet34-224": lambda: ResNet([3, 4, 6, 3], 64, 3, 1000),
    "deit-tiny": lambda: ViT(192, 3),
    "deit-small": lambda: ViT(384, 6),
}
CASES = {  # student, teacher, channels, size
    "kd-34-18-224": ("resnet18-224", "resnet34-224", 3, 224),
    "ofd-wrn": ("wrn-16-2", "wrn-28-4", 3, 32),
    "kd-deit-224": ("deit-tiny", "deit-small", 3, 224),
    "resnet20": ("resnet20", None, 3, 32),
    "kd-34-18": ("resnet18", "resnet34", 3, 32),
    "quickstart": ("student", "resnet20", 1, 28),
}
TAU = 4.0


def network(name, channels):
    if name.startswith("wrn"):
        return WideResNet(*map(int, name.split("-")[1:]))
    model = LARGE[name]() if name in LARGE else ResNet(*NETS[name], channels)
    if not isinstance(model, ViT):  # both sides name the parts of transformers differently: these keep weights of their own
        fill(model)
    return model


def train(case, levers):
    student_name, teacher_name, channels, size = CASES[case]
    fmt = torch.channels_last if "channels_last" in levers else torch.contiguous_format
    batch = int(sys.argv[5]) if len(sys.argv) > 5 else 8 if student_name in LARGE else 64
    student = network(student_name, channels)
    student.to(memory_format=fmt).train()
    teacher = None
    if teacher_name:
        teacher = network(teacher_name, channels)
        teacher.to(memory_format=fmt).eval().requires_grad_(False)
    x = wave(batch * channels * size * size, 0.11, 0.5, 1.0).view(batch, channels, size, size).contiguous(memory_format=fmt)
    y = torch.tensor([(7 * i) % 10 for i in range(batch)])
    ofd = OFD() if case == "ofd-wrn" else None
    trained = [*student.parameters(), *([] if ofd is None else ofd.connectors.parameters())]
    opt = torch.optim.SGD(trained, 0.02, momentum=0.9, weight_decay=5e-4)
    bf16 = "bf16" in levers
    for _ in sys.stdin:
        t0 = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            if teacher is not None:
                with torch.no_grad():
                    target = teacher(x)
            logits = student(x)
        maps = None
        if ofd is not None:
            (logits, maps), (_, target) = logits, target
        logits = logits.float()
        loss = F.cross_entropy(logits, y)
        if ofd is not None:
            loss = loss + ofd(maps, target)
        elif teacher is not None:
            loss = loss + TAU * TAU * F.kl_div(F.log_softmax(logits / TAU, 1), F.log_softmax(target.float() / TAU, 1), reduction="batchmean", log_target=True)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        value = loss.item()
        print(json.dumps({"seconds": time.perf_counter() - t0, "loss": value}), flush=True)


def per_call(body, repeat, calls):
    for _ in range(repeat // 10):
        body()
    best = []
    for _ in range(5):
        t0 = time.perf_counter_ns()
        for _ in range(repeat):
            body()
        best.append((time.perf_counter_ns() - t0) / repeat / calls)
    return sorted(best)[len(best) // 2]


def operators(repeat):
    out = {}
    for grad in (False, True):
        x = torch.tensor([1.5], requires_grad=grad)

        def chain():
            y = x
            for _ in range(10):
                y = y + x

        suffix = ", gradients" if grad else ""
        out["add" + suffix] = per_call(lambda: x + x, repeat, 1)
        out["relu" + suffix] = per_call(lambda: x.relu(), repeat, 1)
        out["chain of 10" + suffix] = per_call(chain, repeat // 10, 10)
    return out


if __name__ == "__main__":
    case, steps, levers = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(",") if len(sys.argv) > 3 else []
    torch.set_num_threads(int(sys.argv[4]) if len(sys.argv) > 4 else 2)
    if case == "operators":
        print(json.dumps(operators(steps)))
    else:
        train(case, levers)
        print(json.dumps({"rssMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
