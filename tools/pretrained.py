"""PyTorch's half of tools/prove-pretrained.mjs: writes files of weights as their libraries do, and says what is computed with them.

    python pretrained.py libraries
    python pretrained.py lite NAME WEIGHTS FOLDER     images.npz there -> NAME.npz with PyTorch's logits
    python pretrained.py tensors FILE                 dtype, shape and SHA-256 of each tensor of a safetensors file
    python pretrained.py write FOLDER NAME...         LIBRARY-NETWORK.pth, and .npz with images and logits
    python pretrained.py read FOLDER NAME...          LIBRARY-NETWORK-back.pth into a fresh network, strictly: how far its logits are

A NAME of the last two is a library and its network, `torchvision/resnet18`. Each prints JSON, a line per network.
"""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch


def libraries():
    """Versions of what is here."""
    names = ("torch", "torchvision", "timm", "safetensors")
    found = [name for name in names if importlib.util.find_spec(name) is not None]
    print(json.dumps({name: importlib.import_module(name).__version__ for name in found}))


def lite(name, weights, folder):
    """An EfficientNet-Lite with its published weights on the images that Retort prepared."""
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained(name, weights_path=weights).eval()
    images = torch.from_numpy(np.load(Path(folder) / "images.npz")["images"])
    with torch.no_grad():
        logits = network(images)
    np.savez(Path(folder) / f"{name}.npz", logits=logits.numpy())
    print(json.dumps({"largest": logits.abs().max().item()}))


def tensors(file):
    """What Hugging Face's own reader finds in a safetensors file."""
    from safetensors.numpy import load_file

    print(
        json.dumps(
            {
                name: {
                    "dtype": str(value.dtype),
                    "shape": list(value.shape),
                    "sha256": hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest(),
                }
                for name, value in load_file(file).items()
            }
        )
    )


def network_of(name):
    """A network of a library, as it makes it."""
    library, network = name.split("/")
    if library == "timm":
        import timm

        return timm.create_model(network, pretrained=False)
    import torchvision

    return getattr(torchvision.models, network)(weights=None)


def enliven(network, images):
    """Weights that tell images apart, in every tensor: norms and biases are not what they begin with, nor is a head all zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim >= 2 and parameter.numel() > max(parameter.shape) and parameter.std() < 1e-4:
                parameter.normal_(0, 0.02)
            elif parameter.numel() <= 2 * max(parameter.shape):  # biases, norms, scales of layers
                constant = parameter.flatten()[0].item() if parameter.std() < 1e-6 else 0.0
                parameter.add_((1.0 if 0 < constant < 0.1 else 0.0) + 0.1 * torch.randn_like(parameter))
        norms = [one for one in network.modules() if isinstance(one, torch.nn.modules.batchnorm._BatchNorm)]
        if norms:
            momenta = [one.momentum for one in norms]
            for one in norms:
                one.momentum = None  # statistics are the mean over what was seen
            network.train()(images)
            for one, momentum in zip(norms, momenta):
                one.momentum = momentum


def file_of(folder, name, end):
    return Path(folder) / f"{name.replace('/', '-')}{end}"


def write(folder, names):
    """State dicts as torch.save writes them, with what the networks compute."""
    for name in names:
        torch.manual_seed(0)
        network = network_of(name)
        enliven(network, torch.randn(4, 3, 224, 224))
        network.eval()
        images = torch.randn(2, 3, 224, 224)
        with torch.no_grad():
            logits = network(images)
        state = network.state_dict()
        torch.save(state, file_of(folder, name, ".pth"))
        np.savez(file_of(folder, name, ".npz"), images=images.numpy(), logits=logits.numpy())
        apart = ((logits[0] - logits[1]).abs().max() / logits.abs().max()).item()
        print(json.dumps({"name": name, "entries": len(state), "apart": apart}), flush=True)


def read(folder, names):
    """What Retort wrote for a library, into a network of it that has other weights."""
    for name in names:
        torch.manual_seed(1)
        network = network_of(name).eval()
        file = file_of(folder, name, "-back.pth")
        known = np.load(file_of(folder, name, ".npz"))
        answer = {"name": name}
        if file.exists():
            try:
                network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True), strict=True)
                with torch.no_grad():
                    logits = network(torch.from_numpy(known["images"])).numpy()
                answer["difference"] = float(np.abs(logits - known["logits"]).max() / np.abs(known["logits"]).max())
            except Exception as error:
                answer["error"] = str(error)
        else:
            answer["error"] = "there is no file"
        print(json.dumps(answer), flush=True)


command, *rest = sys.argv[1:]
if command == "write":
    write(rest[0], rest[1:])
elif command == "read":
    read(rest[0], rest[1:])
else:
    {"libraries": libraries, "lite": lite, "tensors": tensors}[command](*rest)
