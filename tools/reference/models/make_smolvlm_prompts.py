#!/usr/bin/env python3
"""Writes the results of Idefics3Processor for texts with a picture, and of a chat template like
SmolVLM's.

    python make_smolvlm_prompts.py TOKENIZER OUT    # transformers 5.23

TOKENIZER is a folder with GPT-2's tokenizer.json, OUT is src/models/testdata/smolvlm/prompts.json.
The image tokens are added to the tokenizer; a picture or tile has 2 image tokens. SmolVLMProcessor
gives the same results, but needs a video package.
"""

import argparse
import json
import pathlib

import transformers
from PIL import Image
from transformers import Idefics3Processor, PreTrainedTokenizerFast
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

# The chat template of SmolVLM, written anew.
TEMPLATE = ("<|im_start|>{% for turn in messages %}{{ turn['role'] | capitalize }}:"
            "{% if turn['content'][0]['type'] != 'image' %}{{ ' ' }}{% endif %}"
            "{% for part in turn['content'] %}{% if part['type'] == 'image' %}<image>"
            "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
            "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}")
ADDED = ["<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>",
         "<global-img>"] + [f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5)]
SIZES = [None, (30, 30), (60, 20), (9, 33), (7, 5)]
PROMPTS = ["<image>", "<|im_start|>User:<image>What is this?<end_of_utterance>\nAssistant:",
           "one\n<image>\n two"]
ALONE = ["<|im_start|>User: What is this?<end_of_utterance>\nAssistant:", "two\n\nlines  and 猫"]
IMAGES = dict(image_processor_type="Idefics3ImageProcessor", size={"longest_edge": 24},
              max_image_size={"longest_edge": 8})


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(args.tokenizer / "tokenizer.json"))
    tokenizer.add_tokens(ADDED, special_tokens=True)
    lines = []
    for split in (True, False):
        images = Idefics3ImageProcessorPil(do_image_splitting=split, **IMAGES)
        process = Idefics3Processor(images, tokenizer, image_seq_len=2, chat_template=TEMPLATE)

        def ids(text, size):
            if size is None:
                return tokenizer(text)["input_ids"]
            return process(images=Image.new("RGB", size), text=text)["input_ids"][0]

        def asked(text, size):
            content = ([{"type": "image"}] if size else []) + [{"type": "text", "text": text}]
            return process.apply_chat_template([{"role": "user", "content": content}],
                                               add_generation_prompt=True)

        for size in SIZES:
            if size is None and not split:
                continue
            lines += [dict(split=split, size=size, text=t, ids=ids(t, size))
                      for t in (PROMPTS if size else ALONE)]
            text = "What is this?"
            lines.append(dict(split=split, size=size, text=text, asked=asked(text, size),
                              ids=ids(asked(text, size), size)))
    added = {t: tokenizer.convert_tokens_to_ids(t) for t in ADDED}
    rest = dict(transformers=transformers.__version__, template=TEMPLATE, slots=2, images=IMAGES,
                added=added)
    text = ",\n  ".join(json.dumps(line, ensure_ascii=False) for line in lines)
    head = ",\n ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rest.items())
    args.out.write_text(f'{{\n {head},\n "prompts": [\n  {text}\n ]\n}}\n')


if __name__ == "__main__":
    main()
