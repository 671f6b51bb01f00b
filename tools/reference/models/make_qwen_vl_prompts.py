#!/usr/bin/env python3
"""Writes the results of Qwen2VLProcessor for texts with a picture, and of a chat template like
Qwen2-VL's.

    python make_qwen_vl_prompts.py TOKENIZER OUT    # transformers 5.24

TOKENIZER is a folder with Qwen2.5's tokenizer.json, which has the tokens of Qwen2-VL. OUT is
src/models/testdata/qwen_vl/prompts.json.
"""

import argparse
import json
import pathlib

import transformers
from PIL import Image
from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil, Qwen2VLProcessor

# A template with the format of Qwen2-VL's, without videos.
TEMPLATE = ("{% set pictures = namespace(value=0) %}{% for message in messages %}"
            "{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
            "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
            "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
            "{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in "
            "content or 'image_url' in content %}{% set pictures.value = pictures.value + 1 %}"
            "{% if add_vision_id %}Picture {{ pictures.value }}: {% endif %}<|vision_start|>"
            "<|image_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
            "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
SIZES = [None, (30, 30), (60, 20), (9, 33)]
PROMPTS = ["<|vision_start|><|image_pad|><|vision_end|>What?", "one\n<|image_pad|>\n two"]
ALONE = ["What is this?", "two\n\nlines  and 猫"]
IMAGES = dict(patch_size=4, merge_size=2, min_pixels=64, max_pixels=1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(args.tokenizer / "tokenizer.json"))
    Qwen2VLProcessor.check_argument_for_proper_class = lambda self, *args: None  # no video processor
    process = Qwen2VLProcessor(Qwen2VLImageProcessorPil(**IMAGES), tokenizer, None,
                               chat_template=TEMPLATE)

    def ids(text, size):
        if size is None:
            return tokenizer(text)["input_ids"]
        made = process(images=[Image.new("RGB", size)], text=[text])
        return list(map(int, made["input_ids"][0]))

    def asked(text, size):
        content = ([{"type": "image"}] if size else []) + [{"type": "text", "text": text}]
        return process.apply_chat_template([{"role": "user", "content": content}],
                                           add_generation_prompt=True)

    lines = []
    for size in SIZES:
        lines += [dict(size=size, text=t, ids=ids(t, size)) for t in (PROMPTS if size else ALONE)]
        text = "What is this?"
        lines.append(dict(size=size, text=text, asked=asked(text, size),
                          ids=ids(asked(text, size), size)))
    image_token = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    rest = dict(transformers=transformers.__version__, template=TEMPLATE, image_token=image_token,
                images=dict(IMAGES, image_processor_type="Qwen2VLImageProcessor"))
    text = ",\n  ".join(json.dumps(line, ensure_ascii=False) for line in lines)
    head = ",\n ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rest.items())
    args.out.write_text(f'{{\n {head},\n "prompts": [\n  {text}\n ]\n}}\n')


if __name__ == "__main__":
    main()
