import json
import os
import subprocess
from pathlib import Path

import numpy
import pytest
import torch

import emend


def test_pictures_of_all_kinds_give_the_same_logits(model, record, picture):
    image = pytest.importorskip("PIL.Image")
    pixels = record["image"]
    assert pixels.dtype == numpy.uint8 and pixels.shape[2] == 3
    expected = model.logits(record["prompt"], pixels)
    tensor = torch.from_numpy(pixels)
    for other in (
        picture,
        Path(picture),
        image.open(picture),
        tensor,
        tensor.permute(2, 0, 1),
        tensor.permute(2, 0, 1).float() / 255,
        numpy.asfortranarray(pixels),
    ):
        assert torch.equal(model.logits(record["prompt"], other), expected)


def test_prompts_have_several_pictures(model, picture):
    """The logits are those of transformers (tools/reference/models/make_several_pictures_fixtures.py)."""
    load_file = pytest.importorskip("safetensors.torch").load_file
    data = Path(__file__).parents[2] / "src/models/testdata/several_pictures/llava-clip"
    expected = load_file(data / "expected.safetensors")
    row = json.loads((data / "prompt.json").read_text())
    llava, pictures = emend.load(data), [expected["picture.0"], expected["picture.1"]]
    logits = llava.logits(row["prompt"], pictures, row["answer"])
    assert logits.shape == expected["logits"].shape
    largest = expected["logits"].abs().max()
    assert (logits - expected["logits"]).abs().max() < 1e-4 * largest
    answer = llava.ask(row["prompt"], pictures)
    assert answer == llava.ask(row["prompt"], tuple(pictures))
    assert answer == llava.ask(row["prompt"], [one.numpy() for one in pictures])
    swapped = llava.logits(row["prompt"], pictures[::-1], row["answer"])
    assert (swapped[-1] - logits[-1]).abs().max() > 1e-3 * largest

    assert torch.equal(model.logits("Who?", [picture]), model.logits("Who?", picture))
    assert torch.equal(model.logits("Who?", []), model.logits("Who?"))
    for call, message in (
        (lambda: model.ask("Who?", [picture, picture]), "2 pictures, but this model reads one"),
        (lambda: llava.ask("<image> Who?", pictures), "once for each picture"),
        (lambda: llava.ask("<image><image> Who?", [picture, None]), "a list of pictures has None"),
        (lambda: llava.ask("<image><image> Who?", [picture, "missing.png"]), "missing.png"),
    ):
        with pytest.raises(emend.Error, match=message):
            call()


def test_logits_predict_the_answer(model, record):
    answer = model.ask(record["prompt"], record["image"])
    prompt = model.logits(record["prompt"], record["image"])
    forced = model.logits(record["prompt"], record["image"], answer)
    vocabulary = model._facts["vocabulary"]
    assert prompt.dtype == torch.float32 and prompt.shape[1] == vocabulary
    assert forced.shape[0] > prompt.shape[0] > model._facts["image_tokens"]
    assert torch.allclose(forced[: len(prompt)], prompt, atol=1e-4)
    # The tokens of the answer are the most probable ones; other answers are not.
    tokens = forced[len(prompt) - 1 :].argmax(-1)
    other = model.logits(record["prompt"], record["image"], "red")
    assert other[len(prompt) - 1].argmax() == tokens[0]
    assert torch.equal(model.logits(record["prompt"], record["image"], " " + answer), forced)


def test_templates_and_sampling(model, record):
    asked = model.logits(record["prompt"], record["image"])
    given = model.logits(record["prompt"], record["image"],
                         template="Question: {} Short answer:")
    assert torch.equal(asked, given)
    assert model.logits(record["prompt"], record["image"], template="{}").shape != asked.shape
    sampled = [model.ask("a photo of", record["image"], temperature=2.0, seed=7) for _ in range(2)]
    assert sampled[0] == sampled[1]
    short = model.ask("a photo of", record["image"], max_new_tokens=2)
    assert model.ask("a photo of", record["image"]).startswith(short)


def test_describes_the_model(model):
    assert repr(model).startswith("<emend.Model scenes-blip2: ")
    assert model.dtype == torch.float32 and model.device == torch.device("cpu")
    assert "language.block.0" in model.stages
    assert model.sites["language_model.model.decoder.layers.0.fc1"][1] == 160
    assert len(model.fingerprint) == 32


@pytest.mark.skipif("EMEND_PROGRAM" not in os.environ, reason="EMEND_PROGRAM is not set")
def test_the_program_gives_the_same_answers(model, record, picture, patch, tmp_path):
    path = str(tmp_path / "edit.patch")
    patch.save(path)
    for patches in ([], [patch]):
        command = [os.environ["EMEND_PROGRAM"], "ask", "-m", model.folder, "--image", picture, "-p",
                   record["prompt"], "--json"]
        for _ in patches:
            command += ["--patch", path]
        printed = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert printed["answer"] == model.ask(record["prompt"], picture, patches)
        assert printed["base"] == model.fingerprint


def test_errors_are_one_line(model, record, tmp_path):
    def message(call):
        with pytest.raises(emend.Error) as raised:
            call()
        text = str(raised.value)
        assert "\n" not in text and not text.startswith("[")
        return text

    assert "is not a folder" in message(lambda: emend.load(tmp_path / "none"))
    assert "fp32, bf16 or fp16" in message(lambda: emend.load(dtype="int8"))
    assert "cpu or cuda" in message(lambda: emend.load(device="elsewhere"))
    assert "missing.png" in message(lambda: model.ask("Who?", "missing.png"))
    assert "(height, width, 3)" in message(
        lambda: model.ask("Who?", numpy.zeros((4, 4), numpy.uint8)))
    assert "float64" in message(lambda: model.ask("Who?", numpy.zeros((4, 4, 3))))
    assert "emend.load_patch" in message(lambda: model.ask("Who?", patches=["a.patch"]))
    assert "unknown editor" in message(lambda: model.edit("Who?", "me", editor="none"))
    assert "no_such" in message(lambda: model.edit("Who?", "me", settings={"no_such": 1}))
    assert "two" not in message(lambda: model.edit("Who?", "me", editor="ft,lora"))
    assert model.ask(record["prompt"], record["image"])
