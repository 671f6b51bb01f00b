import json
import os
import subprocess

import pytest
import torch

import emend


def test_traces_an_answer(model, record):
    seen = []
    trace = emend.trace(model, record["prompt"], record["image"],
                        settings={"rows": 2, "components": "residual", "grid": 0},
                        progress=lambda part, done, total, note: seen.append(done / total))
    assert seen[-1] == 1
    assert trace.target.strip() == model.ask(record["prompt"], record["image"])
    for one in trace.maps:
        assert one.corrupted == "image" and one.component == "residual"
        assert one.effects.shape == one.log_effects.shape == (len(one.groups), len(one.layers))
    assert {one.module for one in trace.maps} == {"language", "connector", "vision_tower"}
    language = trace.effects["image/language/residual/1"]
    assert torch.isfinite(language).all() and language.max() <= 1
    assert trace._repr_html_().startswith("<svg") and trace.summary in repr(trace)


@pytest.mark.parametrize("settings", [{"components": "tail"}, {"modules": "tail"}, {"windows": "0"},
                                      {"speed": 1}])
def test_settings_are_checked_first(model, record, settings):
    name = next(iter(settings))
    with pytest.raises(emend.Error, match=name):
        emend.trace(model, record["prompt"], record["image"], settings=settings, progress=False)


@pytest.mark.skipif("EMEND_PROGRAM" not in os.environ, reason="EMEND_PROGRAM is not set")
def test_the_facts_are_those_of_the_program(model, record, picture, tmp_path):
    settings = {"rows": 2, "components": "residual", "grid": 0}
    trace = emend.trace(model, record["prompt"], picture, target="the sea", settings=settings,
                        progress=False)
    assert "the sea" in trace.facts["notes"][0] and trace.facts["answer"]
    command = [os.environ["EMEND_PROGRAM"], "trace", "-m", model.folder, "--image", picture, "-p",
               record["prompt"], "--target", "the sea", "-o", str(tmp_path / "trace"), "--threads",
               "1"]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    subprocess.run(command, check=True, capture_output=True)
    written = json.loads((tmp_path / "trace" / "trace.json").read_text())
    assert set(trace.facts) == set(written)
    assert trace.facts["clean"] == pytest.approx(written["clean"], rel=1e-3)
    for same in set(written) - {"clean", "runs", "summary", "notes"}:  # with measured numbers
        assert trace.facts[same] == written[same], same
