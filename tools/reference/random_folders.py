"""Writes model folders with random shapes and weights, for check_architectures.py.

Each function of ARCHITECTURES draws the shapes from `rng`, writes what `save_pretrained` writes,
and returns a Folder. Shapes are small and odd: sizes that do not divide each other, one head or
several, shared keys and values, and every kind of rotary scaling.
"""

import dataclasses
import typing

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

SPECIAL = ["<pad>", "<s>", "</s>", "<image>"]
SIZES = [(31, 17), (64, 48), (23, 90), (50, 50)]


@dataclasses.dataclass
class Folder:
    model: torch.nn.Module
    tokenizer: typing.Any
    processor: typing.Any = None      # of pictures and text; None: the model reads text only
    placeholder: str = ""             # in front of a prompt with a picture
    image_token: str = "<image>"
    several: bool = False             # whether emend reads several pictures in one prompt


def pick(rng, *choices):
    return choices[rng.integers(len(choices))]


def make_tokenizer(rng, extra=()):
    """Byte-level BPE with a few merges and the special tokens, with BOS or without."""
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["th", "in", "er", "\u0120t", "\u0120a", "on", "\u0120th", "wh"]
    merges = [("t", "h"), ("i", "n"), ("e", "r"), ("\u0120", "t"), ("\u0120", "a"), ("o", "n"), ("\u0120", "th"),
              ("w", "h")]
    special = SPECIAL + list(extra)
    vocabulary = {token: i for i, token in enumerate(special + pieces + words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if rng.random() < 0.5:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocabulary["<s>"])])
    tokenizer.add_special_tokens(special)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        extra_special_tokens=["<image>", *extra])


def rotary(rng, width):
    kind = pick(rng, "default", "default", "linear", "dynamic", "llama3", "yarn", "longrope")
    rope = {"rope_type": kind, "rope_theta": float(pick(rng, 100.0, 10000.0, 500000.0))}
    trained = int(rng.integers(16, 64))
    if kind in ("linear", "dynamic", "yarn", "llama3", "longrope"):
        rope["factor"] = float(rng.uniform(1.5, 8))
    if kind == "llama3":
        rope.update(low_freq_factor=1.0, high_freq_factor=float(pick(rng, 2.0, 4.0)))
    if kind == "longrope":
        for name in ("short_factor", "long_factor"):
            rope[name] = [float(x) for x in rng.uniform(1, 4, width // 2)]
    if kind in ("llama3", "yarn", "longrope"):
        rope["original_max_position_embeddings"] = trained
    return rope


def decoder(rng, kind, vocabulary):
    """Settings of a decoder of the Llama family."""
    heads = int(pick(rng, 1, 2, 3, 4, 6))
    shared = int(pick(rng, *[n for n in (1, 2, 3, 6) if heads % n == 0]))
    width = 2 * int(rng.integers(2, 7))
    config = dict(vocab_size=vocabulary + int(rng.integers(0, 9)), hidden_size=heads * width,
                  intermediate_size=int(rng.integers(9, 50)), num_hidden_layers=int(rng.integers(1, 4)),
                  num_attention_heads=heads, num_key_value_heads=heads // shared,
                  max_position_embeddings=512, rms_norm_eps=float(pick(rng, 1e-6, 1e-5, 1e-3)),
                  hidden_act=pick(rng, "silu", "gelu", "gelu_pytorch_tanh"),
                  tie_word_embeddings=bool(rng.random() < 0.5), bos_token_id=1, eos_token_id=2,
                  pad_token_id=0)
    if kind != "qwen2" and rng.random() < 0.5:  # heads that are wider or narrower together
        width = config["head_dim"] = 2 * int(rng.integers(2, 9))
        if kind != "qwen3":
            config["hidden_size"] = heads * int(rng.integers(4, 12))
    if kind == "qwen3":
        config.setdefault("head_dim", width)
    if kind == "llama":
        config.update(attention_bias=bool(rng.random() < 0.3), mlp_bias=bool(rng.random() < 0.3))
    config["rope_parameters"] = rotary(rng, width)
    return config


TEXT = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}


def language_model(kind):
    def build(rng):
        tokenizer = make_tokenizer(rng)
        config = getattr(transformers, TEXT[kind] + "Config")(**decoder(rng, kind, len(tokenizer)))
        return Folder(getattr(transformers, TEXT[kind] + "ForCausalLM")(config), tokenizer)
    return build


def vision(rng):
    heads = int(rng.integers(1, 4))
    patch = int(rng.integers(3, 9))
    return dict(hidden_size=heads * int(rng.integers(3, 9)), intermediate_size=int(rng.integers(5, 40)),
                num_hidden_layers=int(rng.integers(2, 5)), num_attention_heads=heads, patch_size=patch,
                image_size=patch * int(rng.integers(2, 5)) + int(rng.integers(0, patch)),
                layer_norm_eps=float(pick(rng, 1e-6, 1e-5, 1e-3)), hidden_act=pick(rng, "gelu", "quick_gelu", "gelu_pytorch_tanh"))


def llava(tower):
    def build(rng):
        tokenizer = make_tokenizer(rng)
        kind = pick(rng, *TEXT)
        seen = vision(rng)
        of = {"clip": transformers.CLIPVisionConfig, "siglip": transformers.SiglipVisionConfig}[tower]
        layer = int(pick(rng, -1, -2, 1))
        strategy = pick(rng, "default", "full")
        config = transformers.LlavaConfig(
            vision_config=of(**seen),
            text_config=getattr(transformers, TEXT[kind] + "Config")(**decoder(rng, kind, len(tokenizer))),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            vision_feature_layer=[layer, 1] if rng.random() < 0.3 else layer,
            vision_feature_select_strategy=strategy,
            multimodal_projector_bias=bool(rng.random() < 0.7),
            projector_hidden_act=pick(rng, "gelu", "relu"))
        config.tie_word_embeddings = config.text_config.tie_word_embeddings
        size = seen["image_size"]
        if tower == "clip":
            from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
            images = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
        else:
            from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
            images = SiglipImageProcessorPil(size={"height": size, "width": size})
        processor = transformers.LlavaProcessor(
            images, tokenizer, patch_size=seen["patch_size"], vision_feature_select_strategy=strategy,
            num_additional_image_tokens=1 if tower == "clip" else 0)
        grid = (size // seen["patch_size"]) ** 2
        config.image_seq_length = grid + (tower == "clip") - (strategy == "default")
        return Folder(transformers.LlavaForConditionalGeneration(config), tokenizer, processor, "<image>")
    return build


def idefics3(name):
    def build(rng):
        from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
        rows = [f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5)]
        extra = ["<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *rows]
        tokenizer = make_tokenizer(rng, extra)
        seen = vision(rng)
        scale = int(pick(rng, 1, 2))
        seen["image_size"] = seen["patch_size"] * scale * int(rng.integers(1, 4))
        kind = getattr(transformers, name + "Config")
        text = dict(decoder(rng, "llama", len(tokenizer)), model_type="llama")
        config = kind(vision_config=seen, text_config=text, scale_factor=scale,
                      image_token_id=tokenizer.convert_tokens_to_ids("<image>"), pad_token_id=0,
                      tie_word_embeddings=text["tie_word_embeddings"])
        size = seen["image_size"]
        images = Idefics3ImageProcessorPil(size={"longest_edge": size * int(rng.integers(1, 4))},
                                           max_image_size={"longest_edge": size},
                                           do_image_splitting=bool(rng.random() < 0.7))
        positions = (size // seen["patch_size"] // scale) ** 2
        processor = transformers.Idefics3Processor(images, tokenizer, image_seq_len=positions)
        model = getattr(transformers, name + "ForConditionalGeneration")(config)
        return Folder(model, tokenizer, processor, "<image>")
    return build


def blip2(rng):
    tokenizer = make_tokenizer(rng)
    heads = int(rng.integers(1, 4))
    patch = int(rng.integers(3, 9))
    size = patch * int(rng.integers(2, 5))
    seen = transformers.Blip2VisionConfig(
        hidden_size=heads * int(rng.integers(3, 9)), intermediate_size=int(rng.integers(5, 40)),
        num_hidden_layers=int(rng.integers(1, 4)), num_attention_heads=heads, patch_size=patch,
        image_size=size, layer_norm_eps=float(pick(rng, 1e-6, 1e-3)), qkv_bias=bool(rng.random() < 0.7))
    heads = int(rng.integers(1, 4))
    qformer = transformers.Blip2QFormerConfig(
        vocab_size=7, hidden_size=heads * int(rng.integers(3, 9)), num_hidden_layers=int(rng.integers(1, 4)),
        num_attention_heads=heads, intermediate_size=int(rng.integers(5, 40)),
        cross_attention_frequency=int(rng.integers(1, 3)), encoder_hidden_size=seen.hidden_size)
    heads = int(rng.integers(1, 4))
    text = transformers.OPTConfig(
        vocab_size=len(tokenizer), hidden_size=heads * int(rng.integers(3, 9)), num_hidden_layers=int(rng.integers(1, 4)),
        num_attention_heads=heads, ffn_dim=int(rng.integers(5, 40)), max_position_embeddings=512,
        word_embed_proj_dim=None, pad_token_id=0, bos_token_id=1, eos_token_id=2, do_layer_norm_before=True)
    text.word_embed_proj_dim = text.hidden_size
    queries = int(rng.integers(1, 7))
    config = transformers.Blip2Config(vision_config=seen, qformer_config=qformer, text_config=text, num_query_tokens=queries,
                                      image_token_index=tokenizer.convert_tokens_to_ids("<image>"))
    images = transformers.BlipImageProcessorPil(size={"height": size, "width": size})
    processor = transformers.Blip2Processor(images, tokenizer, num_query_tokens=queries)
    return Folder(transformers.Blip2ForConditionalGeneration(config), tokenizer, processor)


class WithoutVideos:
    """A processor of transformers without its processor of videos, which needs another package. The
    pictures of a call are those of one prompt."""

    def __init__(self, kind, images, tokenizer, **settings):
        kind.check_argument_for_proper_class = lambda self, *arguments: None
        self.process = kind(images, tokenizer, None, **settings)

    def __call__(self, images, text, return_tensors):
        return self.process(images=[images], text=[text], return_tensors=return_tensors)

    def save_pretrained(self, path):
        self.process.image_processor.save_pretrained(path)
        self.process.tokenizer.save_pretrained(path)


def qwen_vl(kind):
    def build(rng):
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
        extra = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
        tokenizer = make_tokenizer(rng, extra)
        text = decoder(rng, "qwen3" if kind == "Qwen3VL" else "qwen2", len(tokenizer))
        width = text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]
        height = int(rng.integers(0, width // 4 + 1))
        time = width // 2 - 2 * height
        text["rope_parameters"] = dict(rope_type="default", rope_theta=float(pick(rng, 100.0, 1e4, 1e6)),
                                       mrope_section=[time, height, height])
        heads, patch, merge = int(rng.integers(1, 4)), int(rng.integers(2, 6)), int(rng.integers(1, 4))
        hidden, depth = 4 * heads * int(rng.integers(2, 5)), int(rng.integers(2, 5))
        seen = dict(depth=depth, num_heads=heads, patch_size=patch, spatial_merge_size=merge,
                    temporal_patch_size=int(rng.integers(1, 3)))
        if kind == "Qwen2VL":
            seen.update(embed_dim=hidden, mlp_ratio=2, hidden_size=text["hidden_size"])
        else:
            seen.update(hidden_size=hidden, intermediate_size=int(rng.integers(8, 40)),
                        out_hidden_size=text["hidden_size"])
        if kind == "Qwen2_5_VL":
            seen.update(window_size=patch * merge * int(rng.integers(1, 4)),
                        fullatt_block_indexes=sorted({int(rng.integers(0, depth)), depth - 1}))
        if kind == "Qwen3VL":
            seen.update(num_position_embeddings=int(rng.integers(2, 7)) ** 2,
                        deepstack_visual_indexes=sorted(
                            int(i) for i in rng.permutation(depth)[:min(2, text["num_hidden_layers"])]))
        id_of = tokenizer.convert_tokens_to_ids
        config = getattr(transformers, kind + "Config")(
            vision_config=seen, text_config=text, image_token_id=id_of("<|image_pad|>"),
            video_token_id=id_of("<|video_pad|>"), vision_start_token_id=id_of("<|vision_start|>"),
            vision_end_token_id=id_of("<|vision_end|>"), tie_word_embeddings=text["tie_word_embeddings"])
        side = patch * merge
        images = Qwen2VLImageProcessorPil(
            patch_size=patch, merge_size=merge, temporal_patch_size=seen["temporal_patch_size"],
            size={"shortest_edge": 4 * side * side, "longest_edge": int(rng.integers(6, 20)) * side * side})
        model = getattr(transformers, kind + "ForConditionalGeneration")(config)
        processor = WithoutVideos(getattr(transformers, kind + "Processor"), images, tokenizer)
        return Folder(model, tokenizer, processor,
                      "<|vision_start|><|image_pad|><|vision_end|>", "<|image_pad|>")
    return build


def llava_anyres(name):
    def build(rng):
        tokenizer = make_tokenizer(rng, ["<video>"])
        clip = name == "LlavaNext"
        kind = pick(rng, *TEXT) if clip else "qwen2"
        seen = vision(rng)
        size = seen["image_size"] = seen["patch_size"] * int(rng.integers(2, 5))
        points = [[size * r, size * c] for r in range(1, 4) for c in range(1, 4) if rng.random() < 0.7] or [[size, 2 * size]]
        strategy = "default" if clip else "full"
        of = transformers.CLIPVisionConfig if clip else transformers.SiglipVisionConfig
        more = dict(image_token_index=tokenizer.convert_tokens_to_ids("<image>"))
        if not clip:
            more.update(video_token_index=tokenizer.convert_tokens_to_ids("<video>"))
            more["vision_aspect_ratio"] = f"anyres_max_{int(rng.integers(1, 5))}"
        config = getattr(transformers, name + "Config")(
            vision_config=of(**seen),
            text_config=getattr(transformers, TEXT[kind] + "Config")(**decoder(rng, kind, len(tokenizer))),
            image_grid_pinpoints=points, vision_feature_layer=-2 if clip else -1,
            vision_feature_select_strategy=strategy, projector_hidden_act=pick(rng, "gelu", "relu"), **more)
        config.tie_word_embeddings = config.text_config.tie_word_embeddings
        square = {"height": size, "width": size}
        if clip:
            from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
            images = LlavaNextImageProcessorPil(image_grid_pinpoints=points, size={"shortest_edge": size}, crop_size=square)
            processor = transformers.LlavaNextProcessor(
                images, tokenizer, patch_size=seen["patch_size"], vision_feature_select_strategy=strategy,
                num_additional_image_tokens=1)
        else:
            from transformers.models.llava_onevision.image_processing_pil_llava_onevision import \
                LlavaOnevisionImageProcessorPil
            images = LlavaOnevisionImageProcessorPil(image_grid_pinpoints=points, size=square)
            processor = WithoutVideos(
                transformers.LlavaOnevisionProcessor, images, tokenizer, vision_feature_select_strategy=strategy,
                num_image_tokens=(size // seen["patch_size"]) ** 2, vision_aspect_ratio=more["vision_aspect_ratio"])
        model = getattr(transformers, name + "ForConditionalGeneration")(config)
        return Folder(model, tokenizer, processor, "<image>")
    return build


ARCHITECTURES = {
    **{kind: language_model(kind) for kind in TEXT},
    "llava-clip": llava("clip"),
    "llava-siglip": llava("siglip"),
    "idefics3": idefics3("Idefics3"),
    "smolvlm": idefics3("SmolVLM"),
    "blip2": blip2,
    "qwen2-vl": qwen_vl("Qwen2VL"),
    "qwen2.5-vl": qwen_vl("Qwen2_5_VL"),
    "qwen3-vl": qwen_vl("Qwen3VL"),
    "llava-next": llava_anyres("LlavaNext"),
    "llava-onevision": llava_anyres("LlavaOnevision"),
}


@torch.no_grad()
def randomize(model, rng):
    """Magnitudes at which every eps, bias, norm and position has a visible effect."""
    for name, p in sorted(model.named_parameters()):
        mean, std = 0.0, 1.2 / max(p.shape[-1], 1) ** 0.5
        if "norm" in name and name.endswith("weight"):
            mean, std = 1.0, 0.3
        elif name.endswith("bias") or "position" in name or "class_embedding" in name or "query_tokens" in name:
            std = 0.3
        elif "patch_embedding" in name:
            std = 0.3 / np.prod(p.shape[1:]) ** 0.5
        elif "embed_tokens" in name:
            std = 0.1
        p.copy_(torch.from_numpy(rng.normal(mean, std, tuple(p.shape)).astype(np.float32)))


def write(name, rng, path):
    """Returns the Folder of a random model of architecture `name`, written to `path`."""
    folder = ARCHITECTURES[name](rng)
    folder.several = folder.processor is not None and name != "blip2"
    folder.model.eval()
    randomize(folder.model, rng)
    folder.model.generation_config.pad_token_id = 0
    folder.model.save_pretrained(path)
    (folder.processor or folder.tokenizer).save_pretrained(path)
    return folder
