import json
import os
import subprocess

import pytest

import emend
from emend.bench_result import BenchResult


@pytest.fixture(scope="module")
def result(model, tmp_path_factory):
    return emend.bench(model, editors=["ft:language", "lora"], limit=4, seed=1,
                       output=tmp_path_factory.mktemp("runs") / "first",
                       settings={"ft:language": {"steps": 20}}, progress=False)


def test_scores_and_records(result):
    assert list(result.scores) == ["base", "ft:language", "lora"]
    assert result.scores["ft:language"]["reliability"] > result.scores["base"]["reliability"]
    assert len(result.records) == 12
    assert result.report.exists()
    assert result.results["editors"][1]["settings"]["steps"] == 20
    assert "ft:language" in repr(result) and "<table>" in result._repr_html_()
    assert BenchResult.open(result.folder).scores == result.scores


def test_to_pandas(result):
    pytest.importorskip("pandas")
    scores = result.to_pandas()
    assert scores.loc["lora", "reliability"] == result.scores["lora"]["reliability"]
    probes = result.to_pandas("probes")
    assert set(probes["editor"]) == {"base", "ft:language", "lora"}
    assert {"group", "prompt", "before", "after", "score"} <= set(probes.columns)
    with pytest.raises(ValueError):
        result.to_pandas("other")


def test_the_model_is_unchanged(model, result, record):
    # The protocol of the comparison omits BOS; the model must have it again.
    assert emend.load().ask(record["prompt"], record["image"]) == model.ask(record["prompt"],
                                                                           record["image"])


def test_arguments_are_checked(model, tmp_path):
    with pytest.raises(emend.Error, match="unknown suite"):
        emend.bench(model, suite="none", output=tmp_path / "a")
    with pytest.raises(emend.Error, match="unknown mode"):
        emend.bench(model, mode="none", output=tmp_path / "a")
    with pytest.raises(emend.Error, match="limit must not be negative"):
        emend.bench(model, limit=-1, output=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_records_of_a_suite():
    suite = emend.Suite("scenes", limit=5, seed=1, probes=2)
    assert len(suite) == 5 and suite.metadata["name"] == "scenes"
    assert suite[-1]["id"] == suite[4]["id"] and len(suite[1:3]) == 2
    assert {"prompt", "target", "truth", "image", "probes"} <= set(suite[0])
    with pytest.raises(IndexError):
        suite[5]


@pytest.mark.skipif("EMEND_PROGRAM" not in os.environ, reason="EMEND_PROGRAM is not set")
def test_the_program_gives_the_same_scores(model, result, tmp_path):
    subprocess.run([os.environ["EMEND_PROGRAM"], "bench", "-m", model.folder, "--editors",
                    "ft:language,lora", "--limit", "4", "--seed", "1", "--set",
                    "ft:language.steps=20", "-o", tmp_path / "run"], check=True,
                   capture_output=True)
    theirs = BenchResult.open(tmp_path / "run")
    assert theirs.generated == result.generated
    ours = json.loads((result.folder / "run.json").read_text())
    run = json.loads((tmp_path / "run/run.json").read_text())
    for one in (ours, run):
        one["config"].pop("libtorch")
    assert ours == run
