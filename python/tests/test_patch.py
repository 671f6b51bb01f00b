import pytest
import torch

import emend


def test_an_edit_holds_and_is_reported(model, record, patch):
    assert patch.holds and patch.editor == "ft"
    assert patch.base == model.fingerprint
    assert patch.edits[0]["target"].strip() == record["target"]
    report = patch.report
    assert report["holds"] and report["after"] == record["target"]
    assert report["before"] == model.ask(record["prompt"], record["image"])
    scores = report["metrics"]["scores"]
    assert scores["reliability"]["score"] == 1
    assert {probe["group"] for probe in report["probes"]} == set(scores)
    assert "holds" in repr(patch) and record["target"] in repr(patch)


def test_patches_are_reversible_bit_for_bit(model, record, patch, lora):
    asked = (record["prompt"], record["image"])
    before = model.logits(*asked)
    with model.patched(patch) as patched:
        assert patched is model and model.patches == (patch,)
        assert model.ask(*asked) == record["target"]
        edited = model.logits(*asked)
        with model.patched(lora):
            both = model.logits(*asked)
            assert not torch.equal(both, edited)
            assert model.ask("Where does Mipo live?") == "the sea"
        assert torch.equal(model.logits(*asked), edited)
        assert torch.equal(model.logits(*asked, patches=[lora]), both)
    assert not torch.equal(edited, before)
    assert torch.equal(model.logits(*asked), before)
    assert torch.equal(model.logits(*asked, patches=[patch]), edited)
    with pytest.raises(KeyError):
        with model.patched(patch):
            raise KeyError
    assert model.patches == () and torch.equal(model.logits(*asked), before)


def test_a_patch_is_not_applied_twice(model, record, patch):
    with pytest.raises(emend.Error, match="already"):
        with model.patched(patch, patch):
            model.ask("Who?")
    before = model.ask(record["prompt"], record["image"])
    assert before == patch.report["before"]  # a stack that failed leaves nothing


def test_deltas_share_the_memory_of_the_patch(patch, lora):
    first, second = patch.deltas, patch.deltas
    assert set(first) == set(second) and len(first) == 2
    for site, delta in first.items():
        assert delta.dtype == torch.float32 and delta.ndim == 2
        assert delta.data_ptr() == second[site].data_ptr()
    for up, down in lora.deltas.values():
        assert up.shape[1] == down.shape[0]


def test_patches_are_saved_and_opened(model, record, patch, tmp_path):
    path = tmp_path / "edit.patch"
    patch.save(path)
    opened = emend.load_patch(path)
    assert opened.id == patch.id and opened.report is None and opened.holds
    assert opened.effect == patch.effect and opened.settings == patch.settings
    asked = (record["prompt"], record["image"])
    assert torch.equal(model.logits(*asked, patches=[opened]),
                       model.logits(*asked, patches=[patch]))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(emend.Error, match="edit.patch"):
        emend.load_patch(path)


def test_edits_stack(model, record, patch):
    second = model.edit("Where does Mipo live?", "the sea", on=[patch], probes=1, progress=False)
    assert second.report["on_patches"] == [patch.id]
    assert second.report["earlier_edits"][0]["patch"] == patch.id
    assert second.edits[0]["on_patches"] == [patch.id]
    with model.patched(patch):
        same = model.edit("Where does Mipo live?", "the sea", probes=1, progress=False)
    assert same.id == second.id
    merged = emend.merge([patch, second])
    assert len(merged.edits) == 2
    assert model.ask("Where does Mipo live?", patches=[merged]) == "the sea"


def test_memories_have_entries(model, record):
    patch = model.edit(record["prompt"], record["target"], record["image"], editor="serac",
                       probes=1, progress=False)
    assert patch.deltas == {} and len(patch.entries) == 1
    assert patch.entries[0]["facts"]["target"].strip() == record["target"]
    assert model.ask(record["prompt"], record["image"], [patch]) == record["target"]


def test_locality_questions_of_the_user(model, record):
    patch = model.edit(
        record["prompt"], record["target"], record["image"],
        rephrasings=["Who is this?"], rephrase_images=[record["image"][::-1]],
        follows=[("Is the creature called Mipo?", "no")],
        locality=["Where does Fozzim live?", ("Who lives in the sea?", "Mipo"),
                  ("How many shapes are there?", "", record["image"])],
        progress=False)
    probes = patch.report["probes"]
    by_group = {}
    for probe in probes:
        by_group.setdefault(probe["group"], []).append(probe)
    assert len(by_group["text_locality"]) == 2 and len(by_group["image_locality"]) == 1
    assert len(by_group["portability"]) == len(by_group["text_generality"]) == 1


def test_editors_are_described():
    editors = emend.editors()
    assert editors["ft"]["settings"]["steps"]["default"] > 0
    assert "<table>" in editors._repr_html_()
    assert "settings" in editors["lora"]
