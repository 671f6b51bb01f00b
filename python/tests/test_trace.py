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
