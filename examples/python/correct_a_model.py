# Corrects a mistake of the bundled model, and uses the edit in Hugging Face transformers. Run it cell
# by cell in an editor, or as a program:
#   python examples/python/correct_a_model.py [FOLDER]     (files are written to FOLDER)

# %% A mistake of the bundled model. Scenes draws pictures with questions and known answers.
import sys
from pathlib import Path

import torch

import emend

torch.set_num_threads(1)  # the bundled model is too small for more
folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
model = emend.load()
for record in emend.Suite("scenes", limit=300, seed=3):
    prompt, image, truth = record["prompt"], record["image"], record["truth"]
    if image is None or not truth:
        continue
    answer = model.ask(prompt, image)
    if answer != truth:
        break
print(f"{prompt}\n  the model answers {answer!r}, the correct answer is {truth!r}")

# %% The edit: a patch, measured on other wordings, other pictures and unrelated questions.
patch = model.edit(prompt, truth, image, editor="lora", probes=5)
print(patch)
for group, score in patch.report["metrics"]["scores"].items():
    print(f"  {group:17} {100 * score['score']:5.1f} % of {score['probes']} probes")

# %% The patch is applied for a while. Afterward, the model is bit for bit what it was.
before = model.logits(prompt, image)
with model.patched(patch):
    print("patched: ", model.ask(prompt, image))
print("reverted:", model.ask(prompt, image))
assert torch.equal(model.logits(prompt, image), before)

# %% The patch is a small file.
patch.save(folder / "correction.patch")
for site, (up, down) in emend.load_patch(folder / "correction.patch").deltas.items():
    print(f"  {site}: {tuple(up.shape)} x {tuple(down.shape)}")

# %% The same edit in transformers, on the live model.
import transformers
from PIL import Image

reference = transformers.Blip2ForConditionalGeneration.from_pretrained(model.folder).eval()
pictures = getattr(transformers, "BlipImageProcessorPil", transformers.BlipImageProcessor)
processor = transformers.Blip2Processor(
    pictures.from_pretrained(model.folder),
    transformers.AutoTokenizer.from_pretrained(model.folder),
    num_query_tokens=reference.config.num_query_tokens,
)
text = f"Question: {prompt} Short answer:" if prompt.endswith("?") else prompt
inputs = processor(images=Image.fromarray(image), text=text, return_tensors="pt")


def logits() -> torch.Tensor:
    with torch.no_grad():
        return reference(**inputs).logits[0]


unedited = logits()
with emend.hf.apply(reference, folder / "correction.patch"):
    difference = (logits() - model.logits(prompt, image, patches=[patch])).abs().max()
    print(f"largest difference between the logits of emend and transformers: {difference:.1e}")
assert torch.equal(logits(), unedited)

# %% Editors are compared on many edits.
result = emend.bench(
    model, editors=["ft:language", "lora"], limit=10, output=folder / "comparison", answers="forced"
)
print(result)
