import os
import signal
import threading
import time

import pytest
import torch

import emend


def interrupt_after(seconds):
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


# A loss that is never small enough, so that the edit takes all of its steps.
ENDLESS = {"steps": 1000, "lr": 1e-9, "stop_loss": 0.0}


def test_ctrl_c_stops_an_edit(model, record):
    asked = (record["prompt"], record["image"])
    before = model.logits(*asked)
    steps = []
    timer = interrupt_after(0.7)
    with pytest.raises(KeyboardInterrupt):
        model.edit(*asked[:1], record["target"], asked[1], settings=ENDLESS, probes=1,
                   progress=lambda part, done, total, note: steps.append((part, done, total, note)))
    timer.join()
    assert any(part == "editing" and total == 1000 and note.startswith("loss")
               for part, done, total, note in steps)
    assert torch.equal(model.logits(*asked), before)


def test_an_exception_of_the_progress_function_stops_an_edit(model, record):
    def stop(part, done, total, note):
        raise ZeroDivisionError(part)

    with pytest.raises(ZeroDivisionError):
        model.edit(record["prompt"], record["target"], record["image"], progress=stop)
    assert model.ask(record["prompt"], record["image"])


def test_ctrl_c_stops_a_comparison_which_can_be_resumed(model, tmp_path):
    arguments = dict(editors=["ft:language"], limit=12, output=tmp_path / "run", progress=False)

    def interrupt(part, done, total, note):
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        emend.bench(model, **{**arguments, "progress": interrupt})
    lines = (tmp_path / "run/samples.jsonl").read_text()
    assert 6 <= lines.count("\n") < 24
    result = emend.bench(model, **arguments)
    assert (tmp_path / "run/samples.jsonl").read_text().startswith(lines)
    assert len(result.records) == 24


def test_the_model_is_busy_in_its_own_function(model, record):
    def ask(part, done, total, note):
        model.ask("Who?")

    with pytest.raises(emend.Error, match="in use"):
        model.edit(record["prompt"], record["target"], record["image"], progress=ask)


def test_other_threads_run_while_the_model_runs(model, record):
    counts = []
    stop = threading.Event()

    def count():
        number = 0
        while not stop.is_set():
            number += 1
            time.sleep(0.001)
        counts.append(number)

    thread = threading.Thread(target=count)
    thread.start()
    begin = time.monotonic()
    model.edit(record["prompt"], record["target"], record["image"], probes=1, progress=False,
               settings={**ENDLESS, "steps": 100})
    seconds = time.monotonic() - begin
    stop.set()
    thread.join()
    # Without releases of the GIL, the thread would run between steps only.
    assert counts[0] > 50 * seconds


def test_threads_share_a_model(model, record):
    asked = (record["prompt"], record["image"])
    expected = model.logits(*asked)
    results = []
    threads = [threading.Thread(target=lambda: results.append(model.logits(*asked)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(torch.equal(one, expected) for one in results)
