# The plain loop of `npm run bench -- time-to-accuracy`: python3 bench/time_to_accuracy.py ASKED.json. Contiguous float32, images as bytes in
# memory, augmented batch by batch; the student is evaluated after each epoch, the teacher once. Prints one JSON line.
import json
import sys
import time

import torch
import torch.nn.functional as F

from torch_side import ResNet

asked = json.load(open(sys.argv[1]))
torch.manual_seed(asked["seed"])
began = time.perf_counter()


def images_of(split):
    about = asked["data"][split]
    count, shape = about["count"], about["shape"]
    size = count * shape[0] * shape[1] * shape[2]
    images = torch.from_file(about["images"], False, size, dtype=torch.uint8).view(count, *shape)
    labels = torch.from_file(about["labels"], False, count, dtype=torch.uint8).long()
    return images, labels


mean, std = (torch.tensor(asked["normalize"][name]).view(1, -1, 1, 1) for name in ("mean", "std"))


def normalized(images):
    return (images.float() / 255 - mean) / std


def augmented(images):
    n, c, h, w = images.shape
    if asked["crop"]:
        padded = F.pad(images, (4, 4, 4, 4))
        top, left = torch.randint(9, (n,)), torch.randint(9, (n,))
        rows = (top.view(-1, 1) + torch.arange(h)).view(n, 1, h, 1)
        columns = (left.view(-1, 1) + torch.arange(w)).view(n, 1, 1, w)
        images = padded[torch.arange(n).view(n, 1, 1, 1), torch.arange(c).view(1, c, 1, 1), rows, columns]
    flip = torch.rand(n) < 0.5
    return torch.where(flip.view(-1, 1, 1, 1), images.flip(3), images)


def network(name):
    about = asked[name]
    return ResNet([about["blocks"]] * 3, about["width"], asked["channels"])


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        right = sum((model(normalized(x)).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500)))
    return 100 * right / len(labels)


student, teacher = network("student"), network("teacher")
for module in student.modules():  # as networks of this kind begin
    if isinstance(module, torch.nn.Conv2d):
        torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
ours = torch.load(asked["data"]["teacher"])
weights = {}
for name, value in ours.items():  # backbone.layer1.0.conv1.weight is stages.0.0.conv1.weight
    name = name.replace("backbone.", "").replace("head.fc.", "fc.")
    for i in range(3):
        name = name.replace(f"layer{i + 1}.", f"stages.{i}.")
    weights[name] = value
teacher.load_state_dict(weights)
teacher.eval().requires_grad_(False)
images, labels = images_of("train")
test = images_of("test")
of_teacher = accuracy(teacher, *test)

batch, epochs, tau = 128, asked["epochs"], asked["loss"]["tau"]
per_epoch = len(labels) // batch
optimizer = torch.optim.SGD(student.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, 0.005, total_iters=200)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * per_epoch)
for epoch in range(epochs):
    student.train()
    for index in torch.randperm(len(labels))[: per_epoch * batch].split(batch):
        x, y = normalized(augmented(images[index])), labels[index]
        with torch.no_grad():
            wanted = F.log_softmax(teacher(x) / tau, 1)
        scores = student(x)
        soft = F.kl_div(F.log_softmax(scores / tau, 1), wanted, reduction="batchmean", log_target=True)
        loss = F.cross_entropy(scores, y) + asked["loss"]["weight"] * tau**2 * soft
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        warm_up.step()
        cosine.step()
    result = accuracy(student, *test)
print(json.dumps({"accuracy": result, "teacher": of_teacher, "seconds": time.perf_counter() - began}))
