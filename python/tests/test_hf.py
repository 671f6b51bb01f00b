import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import emend
import emend.hf
from emend import patch_file

transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")
pytest.importorskip("xxhash")
TINY = Path(__file__).resolve().parents[2] / "src/models/testdata"

# The names of layers in patches, and their paths in transformers 5.
PATHS = {
    "llama/gqa": {
        "model.layers.0.mlp.down_proj": "model.layers.0.mlp.down_proj",
        "lm_head": "lm_head",
    },
    "llava/plain": {
        "language_model.model.layers.0.mlp.up_proj": "model.language_model.layers.0.mlp.up_proj",
        "language_model.lm_head": "lm_head",
        "multi_modal_projector.linear_2": "model.multi_modal_projector.linear_2",
        "vision_tower.vision_model.encoder.layers.0.mlp.fc2":
            "model.vision_tower.encoder.layers.0.mlp.fc2",
    },
    "blip2/plain": {
        "language_model.model.decoder.layers.0.fc2": "language_model.model.decoder.layers.0.fc2",
        "language_model.lm_head": "language_model.lm_head",
        "language_projection": "language_projection",
        "qformer.encoder.layer.0.output_query.dense": "qformer.encoder.layer.0.output_query.dense",
        "vision_model.encoder.layers.0.mlp.fc1": "vision_model.encoder.layers.0.mlp.fc1",
    },
    "smolvlm/plain": {
        "model.text_model.layers.0.mlp.down_proj": "model.text_model.layers.0.mlp.down_proj",
        "model.connector.modality_projection.proj": "model.connector.modality_projection.proj",
        "model.vision_model.encoder.layers.0.self_attn.out_proj":
            "model.vision_model.encoder.layers.0.self_attn.out_proj",
    },
}


def write_patch(path, deltas):
    """A patch file with {site: delta or (up, down)}, as docs/patches.md describes it."""
    tensors = {}
    for site, delta in deltas.items():
        if isinstance(delta, tuple):
            tensors[site + ".up"], tensors[site + ".down"] = delta
        else:
            tensors[site + ".delta"] = delta
    patch = {"base": "1" * 32, "editor": "ft", "effect": {}, "id": "", "made_by": "test",
             "request": {}, "settings": {}, "sites": list(deltas)}

    def text(value):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))

    patch["id"] = patch_file.patch_id(text(patch), tensors)
    metadata = {"format": "emend-patch", "version": "2", "patch": text(patch),
                "checksums": text(patch_file.checksums(text(patch)))}
    safetensors.save_file(tensors, path, metadata)
    return path


def hugging_face(folder):
    kind = json.loads((Path(folder) / "config.json").read_text())["architectures"][0]
    return getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32).eval()


def text_logits(model):
    ids = torch.arange(4, 12).unsqueeze(0)
    with torch.no_grad():
        if hasattr(model, "language_model") and hasattr(model, "qformer"):  # BLIP-2
            return model.language_model(input_ids=ids).logits
        return model(input_ids=ids).logits


@pytest.mark.parametrize("name", PATHS)
def test_layers_have_the_names_of_patches(name):
    model = hugging_face(TINY / name)
    for site, path in PATHS[name].items():
        assert emend.hf.layer_of(model, site) is model.get_submodule(path)
    with pytest.raises(emend.Error, match="no_such_layer"):
        emend.hf.layer_of(model, "no_such_layer")


@pytest.mark.parametrize("name", PATHS)
def test_changes_are_those_of_the_weights(name, tmp_path):
    model = hugging_face(TINY / name)
    before = text_logits(model)
    torch.manual_seed(1)
    deltas = {}
    for number, site in enumerate(PATHS[name]):
        out, width = emend.hf.layer_of(model, site).weight.shape
        deltas[site] = (torch.randn(out, 2) / 8, torch.randn(2, width) / 8) if number % 2 else (
            torch.randn(out, width) / 8)
    path = write_patch(tmp_path / "random.patch", deltas)
    with emend.hf.apply(model, path) as applied:
        assert applied.layers == list(deltas) and "layers" in repr(applied)
        patched = text_logits(model)
    assert torch.equal(text_logits(model), before)
    for site, delta in deltas.items():
        layer = emend.hf.layer_of(model, site)
        change = delta if isinstance(delta, torch.Tensor) else delta[0] @ delta[1]
        # A new parameter: if the head is tied to the embeddings, only the head changes.
        layer.weight = torch.nn.Parameter((layer.weight + change).detach())
    merged = text_logits(model)
    assert not torch.allclose(merged, before, atol=1e-3)
    assert torch.allclose(patched, merged, atol=1e-5, rtol=1e-5)


def test_handles_are_removed_in_any_order(tmp_path):
    model = hugging_face(TINY / "llama/gqa")
    before = text_logits(model)
    site = "model.layers.0.mlp.down_proj"
    shape = emend.hf.layer_of(model, site).weight.shape
    first, second = (write_patch(tmp_path / f"{i}.patch", {site: torch.randn(shape)})
                     for i in range(2))
    one = emend.hf.apply(model, first)
    alone = text_logits(model)
    two = emend.hf.apply(model, second)
    both = text_logits(model)
    one.remove()
    assert not torch.equal(text_logits(model), both)
    two.remove()
    two.remove()
    assert torch.equal(text_logits(model), before) and "removed" in repr(two)
    with emend.hf.apply(model, [first, second]):
        assert torch.allclose(text_logits(model), both, atol=1e-5)
    with emend.hf.apply(model, [first]):
        assert torch.equal(text_logits(model), alone)


def test_models_of_peft_are_edited(tmp_path):
    peft = pytest.importorskip("peft")
    site = "model.layers.0.mlp.down_proj"
    model = hugging_face(TINY / "llama/gqa")
    path = write_patch(tmp_path / "a.patch",
                       {site: torch.randn(emend.hf.layer_of(model, site).weight.shape)})
    with emend.hf.apply(model, path):
        expected = text_logits(model)
    # A new adapter has no effect.
    adapted = peft.get_peft_model(model, peft.LoraConfig(target_modules=[site])).eval()
    before = text_logits(adapted)
    with emend.hf.apply(adapted, path):
        assert torch.allclose(text_logits(adapted), expected, atol=1e-5)
        assert not torch.allclose(expected, before, atol=1e-3)
    assert torch.equal(text_logits(adapted), before)


def test_low_precision_rounds_once(tmp_path):
    layer = torch.nn.Linear(8, 4).to(torch.bfloat16)
    model = torch.nn.ModuleDict({"fc": layer})
    delta = torch.randn(4, 8) / 100
    x = torch.randn(3, 8, dtype=torch.bfloat16)
    y = layer(x)
    with emend.hf.apply(model, write_patch(tmp_path / "a.patch", {"fc": delta})):
        assert torch.equal(layer(x), (y.float() + x.float() @ delta.T).to(torch.bfloat16))
        assert torch.equal(layer(input=x), layer(x))
    assert torch.equal(layer(x), y)


def test_patches_that_do_not_fit_are_refused(model, tmp_path):
    linear = torch.nn.ModuleDict({"fc": torch.nn.Linear(8, 4)})
    with pytest.raises(emend.Error, match=r"\(8, 4\), but the layer has \(4, 8\)"):
        emend.hf.apply(linear, write_patch(tmp_path / "a.patch", {"fc": torch.zeros(8, 4)}))
    with pytest.raises(emend.Error, match="does not exist"):
        emend.hf.apply(linear, tmp_path / "none.patch")
    safetensors.save_file({"a": torch.zeros(1)}, tmp_path / "b.patch")
    with pytest.raises(emend.Error, match="not a patch"):
        emend.hf.apply(linear, tmp_path / "b.patch")
    (tmp_path / "c.patch").write_bytes((tmp_path / "a.patch").read_bytes()[:-5])
    with pytest.raises(emend.Error, match="damaged"):
        emend.hf.apply(linear, tmp_path / "c.patch")
    with pytest.raises(emend.Error, match="a patch cannot be dict"):
        emend.hf.apply(linear, {"fc": torch.zeros(4, 8)})
    assert not linear["fc"]._forward_hooks


@pytest.mark.parametrize("editor", ["ft", "lora", "alphaedit", "serac", "ledger", "ike"])
def test_patch_files_are_checked_as_the_program_does(model, record, editor, tmp_path):
    path = tmp_path / "edit.patch"
    patch = model.edit(record["prompt"], record["target"], record["image"], editor=editor, probes=1,
                       progress=False, subject="creature" if editor == "alphaedit" else "")
    patch.save(path)
    read = patch_file.read_patch_file(path)  # checks id and checksums
    assert read.id == patch.id and set(read.deltas) == set(patch.deltas)
    data = path.read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    damaged = {
        "'made_by'": data.replace(b"emend 0", b"emend 9", 1),
        "'editor'": data[:size].replace(f'editor\\":\\"{editor}'.encode(),
                                        f'editor\\":\\"{editor[:-1]}x'.encode(), 1) + data[size:],
    }
    if len(data) > size:  # ike has no tensors
        damaged["a tensor"] = data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]
    for what, bad in damaged.items():
        assert bad != data
        path.write_bytes(bad)
        messages = []
        for read in (patch_file.read_patch_file, emend.load_patch):
            with pytest.raises(emend.Error, match="was changed after") as error:
                read(path)
            messages.append(str(error.value))
        assert what in messages[0] and messages[0] == messages[1]


def test_memories_are_refused(model, record, tmp_path):
    patch = model.edit(record["prompt"], record["target"], record["image"], editor="serac",
                       probes=1, progress=False)
    patch.save(tmp_path / "serac.patch")
    for one in (patch, tmp_path / "serac.patch"):
        with pytest.raises(emend.Error, match="serac answers from a memory"):
            emend.hf.apply(torch.nn.Linear(1, 1), one)


def inputs_for(folder, queries, prompt, image):
    kind = getattr(transformers, "BlipImageProcessorPil", transformers.BlipImageProcessor)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = transformers.Blip2Processor(kind.from_pretrained(folder), tokenizer,
                                            num_query_tokens=queries)
    return processor(images=image, text=prompt, return_tensors="pt")


@pytest.mark.parametrize("editor", ["ft:language", "ft:connector", "lora"])
def test_logits_are_those_of_emend(model, record, editor, tmp_path):
    image = pytest.importorskip("PIL.Image")
    edit = model.edit(record["prompt"], record["target"], record["image"], editor=editor, probes=1,
                      progress=False)
    edit.save(tmp_path / "edit.patch")
    reference = hugging_face(model.folder)
    prompt = f"Question: {record['prompt']} Short answer:"
    inputs = inputs_for(model.folder, reference.config.num_query_tokens, prompt,
                        image.fromarray(record["image"]))

    def difference(patches):
        with torch.no_grad():
            theirs = reference(**inputs).logits[0]
        ours = model.logits(record["prompt"], record["image"], patches=patches)
        assert ours.shape == theirs.shape
        return ((ours - theirs).abs().max() / theirs.abs().max()).item(), theirs

    unedited, before = difference([])
    assert unedited < 1e-5
    for one in (edit, str(tmp_path / "edit.patch")):
        with emend.hf.apply(reference, one):
            edited, after = difference([edit])
            assert edited < 1e-5
            assert not torch.allclose(after, before, atol=1e-2)
            new = reference.generate(**inputs, max_new_tokens=8, do_sample=False)
            answer = transformers.AutoTokenizer.from_pretrained(model.folder).decode(
                new[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True)
            assert answer.strip() == record["target"]
    assert torch.equal(difference([])[1], before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_changes_move_to_the_device(tmp_path):
    layer = torch.nn.Linear(8, 4).cuda()
    model = torch.nn.ModuleDict({"fc": layer})
    x = torch.randn(3, 8, device="cuda")
    before = layer(x)
    delta = torch.randn(4, 8)
    with emend.hf.apply(model, write_patch(tmp_path / "a.patch", {"fc": delta})):
        assert torch.allclose(layer(x), before + x @ delta.T.cuda(), atol=1e-5)
    assert torch.equal(layer(x), before)


def test_the_compiled_part_is_not_needed(tmp_path):
    path = write_patch(tmp_path / "a.patch", {"fc": torch.ones(4, 8)})
    program = f"""
import sys
sys.modules["emend._native"] = None
import torch, emend.hf
model = torch.nn.ModuleDict({{"fc": torch.nn.Linear(8, 4)}})
x = torch.ones(1, 8)
before = model["fc"](x)
with emend.hf.apply(model, {str(path)!r}):
    assert torch.allclose(model["fc"](x), before + 8)
"""
    environment = {**__import__("os").environ,
                   "PYTHONPATH": str(Path(emend.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
