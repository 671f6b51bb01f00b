#!/usr/bin/env python3
"""Compares GGUF files of LLaVA and SmolVLM with their folders, and runs them in llama.cpp.

    pip install gguf xllamacpp
    python check_gguf_vision.py [--emend build/emend]

Makes a tiny LLaVA and a tiny SmolVLM with random weights. `emend edit` changes the language model,
the connector and the vision tower of each by three patches, and `emend export` writes the edited
model as a folder and as GGUF files of every type. The package `gguf` reads the two files: every
tensor must be that of the folder in the type's rounding, and the metadata must be those of
config.json and preprocessor_config.json, as llama.cpp's converter writes them. Then llama.cpp
(package `xllamacpp`) gets a picture and a question with the fp32 files of the unedited and of the
edited model, and with those of the unedited model and an adapter. The logarithms of its
probabilities for the first token must be close to those of transformers with the folder, and differ
from those for the transposed picture; its answer must be that of `emend ask`. Exits with 1 if
anything differs. Without xllamacpp, only the files are compared.

llama.cpp puts the class token of CLIP after the patches, but takes features and positions as if it
were before them (its issue 25814). With such a llama.cpp, LLaVA is compared with transformers whose
class token was moved in the same way, and its answer is not compared.
"""

import argparse
import base64
import io
import json
import math
import pathlib
import sys
import tempfile
import types
import urllib.request

import gguf
import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file

from check_gguf import ROOT, TYPES, Checks, metadata, pairs_of_rows
from hugging_face import emend

SIZE, PATCH = 32, 8  # of a picture, or of a tile
QUESTION, TARGETS = "What is it?", ("cat", "dog", "owl")
TEXT = dict(model_type="llama", hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=1024, rms_norm_eps=1e-5,
            rope_parameters=dict(rope_type="default", rope_theta=10000.0))
VISION = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, image_size=SIZE,
              patch_size=PATCH)
SPECIAL = ["<unk>", "<s>", "</s>", "<image>", "<fake_token_around_image>", "<global-img>",
           *(f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2))]


def write_tokenizer(folder):
    """Byte-level BPE with all bytes; two line ends are one token, which llama.cpp looks up."""
    letters = sorted(transformers.convert_slow_tokenizer.bytes_to_unicode().values())
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *letters, "\u010a\u010a"])}
    added = [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, token in enumerate(SPECIAL)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    (folder / "tokenizer.json").write_text(json.dumps(
        {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
         "pre_tokenizer": level, "post_processor": None, "decoder": level,
         "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                   "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary,
                   "merges": ["\u010a \u010a"]}}))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
         "unk_token": "<unk>"}))
    return len(vocabulary)


def randomize(model, seed):
    torch.manual_seed(seed)
    for name, tensor in model.named_parameters():
        if "norm" in name or "layrnorm" in name:
            tensor.data = (1.0 if name.endswith("weight") else 0.0) + 0.1 * torch.randn_like(tensor)
        else:
            tensor.data = torch.randn_like(tensor) * (0.3 if "embed" in name else 1.2 / math.sqrt(tensor[0].numel()))


def picture(size):
    """A smooth picture, which any resampling keeps."""
    y, x = np.mgrid[0:size, 0:size] / size
    waves = [np.sin(3 * x + 1) * np.cos(2 * y), x * (1 - y), np.cos(4 * x - y)]
    return Image.fromarray(np.stack([128 + 100 * wave for wave in waves], -1).clip(0, 255).astype(np.uint8))


class Llava:
    name, sides = "LLaVA", 1
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    sites = ["multi_modal_projector.linear_2", "vision_tower.vision_model.encoder.layers.1.mlp.fc1"]
    ask = "USER: {}\n" + QUESTION + " ASSISTANT:"
    unused = ("post_layernorm", "encoder.layers.2.")  # vision_feature_layer is -2

    def __init__(self, folder, vocabulary):
        config = transformers.LlavaConfig(
            vision_config=dict(VISION, model_type="clip_vision_model", projection_dim=64),
            text_config=dict(TEXT, vocab_size=vocabulary), image_token_index=SPECIAL.index("<image>"),
            vision_feature_layer=-2, tie_word_embeddings=False)
        self.kind = transformers.LlavaForConditionalGeneration
        model = self.kind(config)
        randomize(model, 1)
        model.save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(json.dumps(
            {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": SIZE},
             "crop_size": {"height": SIZE, "width": SIZE}, "image_mean": self.mean, "image_std": self.std}))
        (folder / "processor_config.json").write_text(json.dumps(
            {"processor_class": "LlavaProcessor", "image_token": "<image>", "patch_size": PATCH,
             "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}))

    def metadata(self, config):
        return {"clip.projector_type": "mlp", "clip.has_llava_projector": True, "clip.use_gelu": False,
                "clip.vision.block_count": 2, "clip.vision.feature_layer": [2]}

    def patch_type(self, kind):
        return "F16" if kind == "F16" else "F32"

    def inputs(self, image):
        return self.ask.format("<image>" * (SIZE // PATCH) ** 2), [image]


class SmolVlm:
    name, sides = "SmolVLM", 2
    mean = std = (0.5, 0.5, 0.5)
    sites = ["model.connector.modality_projection.proj", "model.vision_model.encoder.layers.1.mlp.fc1"]
    ask = "User:{}" + QUESTION + "\nAssistant:"
    unused = ()

    def __init__(self, folder, vocabulary):
        config = transformers.SmolVLMConfig(
            vision_config=dict(VISION, model_type="smolvlm_vision"), text_config=dict(TEXT, vocab_size=vocabulary),
            image_token_id=SPECIAL.index("<image>"), scale_factor=2, tie_word_embeddings=False, pad_token_id=0)
        self.kind = transformers.SmolVLMForConditionalGeneration
        model = self.kind(config)
        randomize(model, 2)
        model.save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(json.dumps(
            {"image_processor_type": "SmolVLMImageProcessor", "size": {"longest_edge": 2 * SIZE},
             "max_image_size": {"longest_edge": SIZE}, "image_mean": self.mean, "image_std": self.std}))
        (folder / "processor_config.json").write_text(json.dumps({"image_seq_len": 4}))

    def metadata(self, config):
        return {"clip.projector_type": "idefics3", "clip.use_gelu": True,
                "clip.vision.block_count": config.vision_config.num_hidden_layers,
                "clip.vision.projector.scale_factor": config.scale_factor,
                "clip.vision.preproc_image_size": 2 * SIZE}

    def patch_type(self, kind):
        return "F32"

    def inputs(self, image):
        """Four tiles row by row, and the whole picture."""
        tokens = "<image>" * (SIZE // PATCH // 2) ** 2
        text, tiles = "", []
        for row in range(2):
            for column in range(2):
                text += f"<fake_token_around_image><row_{row + 1}_col_{column + 1}>{tokens}"
                tiles.append(image.crop((column * SIZE, row * SIZE, (column + 1) * SIZE, (row + 1) * SIZE)))
            text += "\n"
        text += f"\n<fake_token_around_image><global-img>{tokens}<fake_token_around_image>"
        return self.ask.format(text), [*tiles, image.resize((SIZE, SIZE), Image.LANCZOS)]


def expected_tensors(family, folder, config):
    """The tensors of the two files by the names of the package `gguf`."""
    text = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.text_config.num_hidden_layers)
    vision = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MMPROJ, config.vision_config.num_hidden_layers)
    tensors = ({}, {})
    for file in folder.glob("*.safetensors"):
        for name, tensor in load_file(file).items():
            if any(part in name for part in family.unused) and "vision" in name:
                continue
            tensor = tensor.float()
            is_text = "language_model" in name or "text_model" in name or name.startswith("lm_head")
            if is_text and ".q_proj." in name:
                tensor = pairs_of_rows(tensor, config.text_config.num_attention_heads)
            if is_text and ".k_proj." in name:
                tensor = pairs_of_rows(tensor, config.text_config.num_key_value_heads)
            if is_text:
                name = name.removeprefix("language_model.").replace("model.language_model.", "model.")
                name = name.replace("model.text_model.", "model.")
                found = text.get_name(name, try_suffixes=(".weight", ".bias"))
            else:
                if family.name == "LLaVA":
                    name = name.removeprefix("model.")
                    if name.startswith("vision_tower.") and "vision_model" not in name:
                        name = name.replace("vision_tower.", "vision_tower.vision_model.")
                    # The two layers are 0 and 2 of a sequence, with the GELU between them.
                    name = name.replace("linear_1", "linear_0")
                found = vision.get_name(name, try_suffixes=(".weight", ".bias"))
            assert found, name
            tensors[0 if is_text else 1][found] = tensor.numpy()
    return tensors


def check_tensors(check, reader, expected, kind, patch_type):
    found = {tensor.name: tensor for tensor in reader.tensors}
    check("the list of tensors", set(found) == set(expected))
    for name in set(found) & set(expected):
        want, own = expected[name], kind
        if want.ndim == 1 or name == "v.position_embd.weight":
            own = "F32"
        elif want.ndim == 4:
            own = patch_type
        own = gguf.GGMLQuantizationType[own]
        check(f"the type of {name}", found[name].tensor_type == own)
        data = gguf.quants.quantize(want, own)
        check(name, np.array_equal(np.asarray(found[name].data).view(np.uint8).ravel(), data.view(np.uint8).ravel()))


def check_projector_metadata(check, values, family, config, kind):
    vision = config.vision_config
    wanted = {
        "general.architecture": "clip", "general.type": "mmproj",
        "general.file_type": {"F32": 0, "F16": 1, "BF16": 32, "Q8_0": 7}[kind],
        gguf.Keys.Clip.HAS_VISION_ENCODER: True,
        gguf.Keys.ClipVision.PROJECTION_DIM: config.text_config.hidden_size,
        gguf.Keys.ClipVision.IMAGE_SIZE: vision.image_size, gguf.Keys.ClipVision.PATCH_SIZE: vision.patch_size,
        gguf.Keys.ClipVision.EMBEDDING_LENGTH: vision.hidden_size,
        gguf.Keys.ClipVision.FEED_FORWARD_LENGTH: vision.intermediate_size,
        gguf.Keys.ClipVision.Attention.HEAD_COUNT: vision.num_attention_heads,
        gguf.Keys.ClipVision.Attention.LAYERNORM_EPS: np.float32(vision.layer_norm_eps),
        gguf.Keys.ClipVision.IMAGE_MEAN: [np.float32(x) for x in family.mean],
        gguf.Keys.ClipVision.IMAGE_STD: [np.float32(x) for x in family.std],
        **family.metadata(config)}
    for key, value in wanted.items():
        check(key, values.get(key) == value)
    check("the list of keys", set(values) - set(wanted) <= {"general.name", "general.quantization_version"})


def move_class_token(model):
    """Does what llama.cpp does: patches first, with positions from 0."""
    tower = model.model.vision_tower
    embeddings = getattr(tower, "vision_model", tower).embeddings

    def forward(self, pixel_values, **unused):
        patches = self.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        rows = torch.cat([patches, self.class_embedding.expand(len(patches), 1, -1)], 1)
        return rows + self.position_embedding.weight

    embeddings.forward = types.MethodType(forward, embeddings)


@torch.no_grad()
def log_probabilities(family, folder, image, change=lambda model: None):
    """Of the first token, in transformers."""
    model = family.kind.from_pretrained(folder, dtype=torch.float32).eval()
    change(model)
    text, pictures = family.inputs(image)
    ids = transformers.AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt").input_ids
    pixels = torch.stack([torch.tensor(np.asarray(one)).permute(2, 0, 1) / 255 for one in pictures])
    pixels = (pixels - torch.tensor(family.mean).view(3, 1, 1)) / torch.tensor(family.std).view(3, 1, 1)
    if family.name == "SmolVLM":
        pixels = pixels.unsqueeze(0)
    return model(input_ids=ids, pixel_values=pixels).logits[0, -1].log_softmax(-1).numpy()


def png(image):
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


class LlamaCpp:
    def __init__(self, file, projector, adapter=None):
        import xllamacpp
        params = xllamacpp.CommonParams()
        params.model.path, params.mmproj.path = str(file), str(projector)
        params.n_ctx, params.n_parallel, params.n_gpu_layers = 1024, 1, 0
        params.cpuparams.n_threads = 1
        params.warmup, params.port, params.verbosity = False, 0, -1
        # Everything in float32.
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        if adapter:
            lora = xllamacpp.CommonAdapterLoraInfo()
            lora.path, lora.scale = str(adapter), 1.0
            params.lora_adapters = [lora]
        self.server = xllamacpp.Server(params)
        with urllib.request.urlopen(self.server.listening_address + "/props") as answer:
            self.marker = json.load(answer)["media_marker"]  # of a picture in a prompt

    def ask(self, family, image, tokens, probabilities):
        body = {"prompt": {"prompt_string": family.ask.format(self.marker),
                           "multimodal_data": [base64.b64encode(png(image)).decode()]},
                "n_predict": tokens, "temperature": 0, "n_probs": probabilities, "cache_prompt": False}
        request = urllib.request.Request(self.server.listening_address + "/completion", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


def run_in_llama_cpp(family, place, models, image):
    """`models`: (name, folder for transformers, file, adapter, patches). Returns the number of failures."""
    failed, base = 0, place / family.name / "base"
    for name, folder, file, adapter, patches in models:
        llama = LlamaCpp(file, file.with_name(file.stem + "-mmproj.gguf"), adapter)
        changes = {"": lambda model: None}
        if family.name == "LLaVA":
            changes[" with the class token last"] = move_class_token
        wanted = {name: log_probabilities(family, folder, image, change) for name, change in changes.items()}
        answer = llama.ask(family, image, 4, len(wanted[""]))
        found = np.full(len(wanted[""]), np.nan)
        for one in answer["completion_probabilities"][0]["top_logprobs"]:
            found[one["id"]] = one["logprob"]

        def distance(log_probability, other=found):
            return float(np.abs(other - log_probability)[log_probability > math.log(1e-4)].max())

        like = min(wanted, key=lambda name: distance(wanted[name]))
        turned = image.transpose(Image.Transpose.TRANSPOSE)
        control = distance(wanted[like], log_probabilities(family, folder, turned, changes[like]))
        asked = emend(ARGS.emend, "ask", "-m", base, "--image", place / "picture.png", "-p", family.ask.format(
            "<image>"), "--bare", "--max-new-tokens", 4, *patches)["answer"]
        good = distance(wanted[like]) < 0.005 and control > 0.1 and (like or answer["content"].strip() == asked)
        failed += not good
        print(f"{family.name} {name} in llama.cpp: {answer['content']!r}, in emend {asked!r}; largest difference of "
              f"the log-probabilities from transformers{like} {distance(wanted[like]):.2g}, of the transposed picture "
              f"{control:.2g}: {'good' if good else 'WRONG'}")
    return failed


def check_family(kind, place):
    base = place / kind.name / "base"
    base.mkdir(parents=True)
    family = kind(base, write_tokenizer(base))
    image = picture(SIZE * family.sides)
    image.save(place / "picture.png")
    patches = []
    for number, options in enumerate([("--editor", "lora"), *(("--editor", "ft", "--set", f"sites={site}")
                                                            for site in family.sites)]):
        patch = place / kind.name / f"{number}.patch"
        emend(ARGS.emend, "edit", "-m", base, "--image", place / "picture.png", "-p", family.ask.format("<image>"),
              "--bare", "--target", TARGETS[number], *options, "-o", patch, *patches, allowed=(0, 3))
        patches += ["--patch", patch]
    export = ("export", "-m", base)
    merged = place / kind.name / "merged"
    emend(ARGS.emend, *export, *patches, "--to", "hf", "--weights-dtype", "fp32", "--no-check", "-o", merged)
    config = transformers.AutoConfig.from_pretrained(base)
    expected, unedited = expected_tensors(family, merged, config), expected_tensors(family, base, config)
    failed = 0
    for dtype, type_name in TYPES.items():
        check = Checks(f"{family.name} {dtype}")
        file = place / kind.name / f"edited-{dtype}.gguf"
        result = emend(ARGS.emend, *export, *patches, "--to", "gguf", "--weights-dtype", dtype, "-o", file)
        projector = pathlib.Path(result["projector"])
        for one, tensors in zip((file, projector), expected):
            check_tensors(check, gguf.GGUFReader(one), tensors, type_name, family.patch_type(type_name))
        check_projector_metadata(check, metadata(gguf.GGUFReader(projector)), family, config, type_name)
        changed = [name for name in expected[1] if not np.array_equal(expected[1][name], unedited[1][name])]
        check("the number of changed tensors of the projector's file", len(changed) == 2)
        print(f"{check.name}: {check.count - check.failed} of {check.count} agree")
        failed += check.failed
    try:
        import xllamacpp  # noqa: F401
    except ImportError:
        print("llama.cpp was not run: pip install xllamacpp")
        return failed
    plain = place / kind.name / "base.gguf"
    emend(ARGS.emend, *export, "--to", "gguf", "--weights-dtype", "fp32", "-o", plain)
    # The first patch changes the language model only, so that it can also be an adapter.
    adapter, adapted = place / kind.name / "lora.gguf", place / kind.name / "adapted"
    emend(ARGS.emend, *export, *patches[:2], "--to", "gguf-lora", "-o", adapter)
    emend(ARGS.emend, *export, *patches[:2], "--to", "hf", "--weights-dtype", "fp32", "--no-check", "-o", adapted)
    return failed + run_in_llama_cpp(family, place, [
        ("unedited", base, plain, None, []),
        ("edited", merged, place / kind.name / "edited-fp32.gguf", None, patches),
        ("edited by an adapter", adapted, plain, adapter, patches[:2])], image)


def main():
    global ARGS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emend", type=pathlib.Path, default=ROOT / "build/emend")
    ARGS = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        return sum(check_family(kind, pathlib.Path(place)) for kind in (Llava, SmolVlm)) > 0


if __name__ == "__main__":
    sys.exit(main())
