#!/usr/bin/env python3
"""Writes the results of LlavaProcessor for texts with a picture, and of a chat template like the
released one.

    python make_llava_prompts.py TOKENIZER OUT    # transformers 5.23

TOKENIZER is a folder with Llama 2's tokenizer.json, OUT is src/models/testdata/llava/prompts.json.
The placeholder is added to the tokenizer as in LLaVA 1.5; a picture has 4 image tokens.
"""

import argparse
import json
import pathlib

import transformers
from PIL import Image
from transformers import LlavaProcessor, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

PROMPTS = ["USER: <image>\nWhat is this? ASSISTANT:", "<image>", "a <image>b", "one\n<image>\n two",
           "USER: <image> Was  für 猫? ASSISTANT: A", "<image>USER:"]
ALONE = ["USER: What is this? ASSISTANT:", " a leading space", "two\n\nlines  and Ünïcödé 猫 🙂"]
# The prompt format of llava-hf/llava-1.5-7b-hf, written anew.
TEMPLATE = ("{% for m in messages %}{{ m['role'] | upper }}: "
            "{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>\n{% endif %}{% endfor %}"
            "{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }} {% endif %}"
            "{% endfor %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}")
BARE = ["What is this?", "a photo of"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    # As in tokenizer.json; LlamaTokenizer of transformers 5 would create a different tokenizer.
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(args.tokenizer / "tokenizer.json"),
                                        bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    images = CLIPImageProcessorPil(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
    process = LlavaProcessor(images, tokenizer, patch_size=4, chat_template=TEMPLATE,
                             vision_feature_select_strategy="default",
                             num_additional_image_tokens=1)
    picture = Image.new("RGB", (30, 20), (10, 200, 30))

    def ids(text, shown):
        made = process(images=picture, text=text) if shown else process(text=text)
        made = made["input_ids"]
        return made[0] if isinstance(made[0], list) else made

    def asked(text, shown):
        content = ([{"type": "image"}] if shown else []) + [{"type": "text", "text": text}]
        chat = [{"role": "user", "content": content}]
        return process.apply_chat_template(chat, add_generation_prompt=True)

    result = {
        "transformers": transformers.__version__, "slots": 4, "template": TEMPLATE,
        "image_token": tokenizer.convert_tokens_to_ids("<image>"),
        "prompts": [{"text": t, "shown": "<image>" in t, "ids": ids(t, "<image>" in t)}
                    for t in PROMPTS + ALONE],
        "bare": [{"text": t, "shown": s, "asked": asked(t, s), "ids": ids(asked(t, s), s)}
                 for t in BARE for s in (True, False)],
    }
    lists = {k: result.pop(k) for k in ("prompts", "bare")}
    lines = [f" {json.dumps(k)}: [\n  " + ",\n  ".join(json.dumps(e, ensure_ascii=False) for e in v)
             + "\n ]" for k, v in lists.items()]
    lines += [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in result.items()]
    args.out.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
