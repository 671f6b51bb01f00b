"""Runs a BLIP-2 folder in Hugging Face transformers, and the emend program, for check_*.py."""

import json
import subprocess

import torch
import transformers
from PIL import Image
from transformers import AutoTokenizer, Blip2ForConditionalGeneration, Blip2Processor

MAX_NEW_TOKENS = 32  # as `emend ask`


class HuggingFace:
    def __init__(self, folder):
        torch.set_num_threads(1)
        self.model = Blip2ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = load_processor(folder, self.model.config.num_query_tokens)

    @torch.no_grad()
    def answer(self, prompt, image=None):
        """Returns the answer as text: greedy generation, without special tokens and outer
        spaces."""
        if image is None:
            inputs = self.processor.tokenizer(prompt, return_tensors="pt")
            made = self.model.language_model.generate(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"],
                max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        else:
            inputs = self.inputs(prompt, image)
            made = self.model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        new = made[0, inputs["input_ids"].shape[1]:]
        return self.processor.tokenizer.decode(new, skip_special_tokens=True).strip()

    def inputs(self, prompt, image):
        with Image.open(image) as picture:
            return self.processor(images=picture.convert("RGB"), text=prompt, return_tensors="pt")

    def merge(self, deltas):
        """Adds {site: (out, in)} to the weights. Returns the argument for `restore`."""
        before = {}
        for site, delta in deltas.items():
            module = self.model.get_submodule(site)
            before[site] = module.weight
            # A new parameter: if the head is tied to the embedding, only the head must change.
            module.weight = torch.nn.Parameter((module.weight + delta).detach())
        return before

    def restore(self, before):
        for site, weight in before.items():
            self.model.get_submodule(site).weight = weight


def load_processor(folder, queries):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    # This class does not need torchvision.
    kind = getattr(transformers, "BlipImageProcessorPil", transformers.BlipImageProcessor)
    return Blip2Processor(kind.from_pretrained(folder), tokenizer, num_query_tokens=queries)


def emend(program, *arguments, allowed=(0,)):
    """Returns the output of `emend ... --json`. Uses one thread, because the models are small and
    the results of several runs are compared. Exits if the status is not allowed."""
    command = [str(program), *(str(a) for a in arguments), "--json", "-t", "1"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode not in allowed:
        raise SystemExit(f"{' '.join(command)}\n{result.stderr}")
    return json.loads(result.stdout)


def ask(program, folder, text, image=None, patches=()):
    extra = [] if image is None else ["--image", image]
    for patch in patches:
        extra += ["--patch", patch]
    return emend(program, "ask", "-m", folder, "-p", text, "--max-new-tokens", MAX_NEW_TOKENS,
                 *extra)
