import json
import os
import subprocess

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
    assert scores["reliability"]["measured_on"] == "the question itself"
    assert report["patch"]["id"] == patch.id and report["patch"]["path"] is None
    assert "failure" not in report
    assert "holds" in repr(patch) and record["target"] in repr(patch)


def test_a_failed_edit_has_a_reason(model, record):
    failed = model.edit(record["prompt"], record["target"], record["image"], probes=1,
                        settings={"steps": 1, "lr": 1e-6}, progress=False)
    assert not failed.holds and not failed.report["holds"]
    failure = failed.report["failure"]
    assert failure == failed.report["edits"][0]["failure"]
    assert failure["reason"] == "one gradient step was not enough"
    assert failure["failed_tokens"] and any("--set" in option for option in failure["try"])


def keys(value, path=""):
    """The paths of all keys; those of the entries of a list are those of its first entry."""
    if isinstance(value, list):
        return keys(value[0], path + "[]") if value else set()
    if not isinstance(value, dict):
        return set()
    return {f"{path}.{key}" for key in value}.union(
        *(keys(one, f"{path}.{key}") for key, one in value.items()))


@pytest.mark.skipif("EMEND_PROGRAM" not in os.environ, reason="EMEND_PROGRAM is not set")
@pytest.mark.parametrize("settings", [{}, {"steps": 1, "lr": 1e-6}])
def test_the_report_is_that_of_the_program(model, record, picture, settings, tmp_path):
    patch = model.edit(record["prompt"], record["target"], picture, settings=settings, probes=2,
                       rephrasings=["Who is this?"], progress=False)
    command = [os.environ["EMEND_PROGRAM"], "edit", "-m", model.folder, "--image", picture, "-p",
               record["prompt"], "--target", record["target"], "--rephrase", "Who is this?",
               "--probes", "2", "-o", str(tmp_path / "edit.patch"), "--allow-failed", "--threads",
               "1", "--json"]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    printed = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert keys(patch.report) == keys(printed)
    assert patch.holds == printed["holds"] == (not settings)
    for same in ("prompt", "before", "target", "image", "model", "base", "editor", "threads",
                 "device", "dtype", "weights", "chat_template", "seed", "version"):
        assert patch.report[same] == printed[same], same
    assert patch.report["metrics"]["protocol"] == printed["metrics"]["protocol"]
    measured = [{group: (score["probes"], score["measured_on"])
                 for group, score in one["metrics"]["scores"].items()}
                for one in (patch.report, printed)]
    assert measured[0] == measured[1]
    if settings:
        assert patch.report["failure"]["try"] == printed["failure"]["try"]


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


def test_exports_for_other_programs(model, record, patch, lora, tmp_path):
    facts = model.export([patch], to="hf", output=tmp_path / "edited", progress=False)
    assert facts["changed"] == 2 and facts["folder"] == str(tmp_path / "edited")
    edited = emend.load(tmp_path / "edited")
    assert edited.ask(record["prompt"], record["image"]) == record["target"]
    with model.patched(lora):
        facts = model.export([], to="peft", output=tmp_path / "adapter", progress=False)
    assert {one["site"] for one in facts["layers"]} == set(lora.deltas)
    assert (tmp_path / "adapter" / "adapter_config.json").exists()
    with pytest.raises(emend.Error, match="no patches"):
        model.export([], to="hf", output=tmp_path / "none")
    with pytest.raises(emend.Error, match="hf, peft, gguf, gguf-lora"):
        model.export([patch], to="onnx", output=tmp_path / "none")


def test_settings_are_values_of_the_program(model):
    with pytest.raises(emend.Error, match="'steps' must be a text, a number, a bool or a list"):
        model.edit("Who?", "me", settings={"steps": None}, progress=False)
    listed = model.edit("Where does Mipo live?", "the sea", editor="memit",
                        settings={"layers": [1, 2]}, probes=1, progress=False)
    assert listed.settings["layers"] == "1,2"


def test_editors_are_described():
    editors = emend.editors()
    assert editors["ft"]["settings"]["steps"]["default"] > 0
    assert "<table>" in editors._repr_html_()
    assert "settings" in editors["lora"]
