import os

import pytest

torch = pytest.importorskip("torch")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import emend  # noqa: E402

NAME = "Which creature is this?"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)  # the model is too small for more


@pytest.fixture(scope="session")
def model():
    return emend.load()


@pytest.fixture(scope="session")
def record():
    """An edit of Scenes about a picture."""
    return next(one for one in emend.Suite("scenes", limit=100, seed=1) if one["prompt"] == NAME)


@pytest.fixture(scope="session")
def picture(record, tmp_path_factory):
    """The picture of the record as a file."""
    image = pytest.importorskip("PIL.Image")
    path = tmp_path_factory.mktemp("pictures") / "creature.png"
    image.fromarray(record["image"]).save(path)
    return str(path)


@pytest.fixture(scope="session")
def patch(model, record):
    return model.edit(record["prompt"], record["target"], record["image"], probes=1, progress=False)


@pytest.fixture(scope="session")
def lora(model):
    return model.edit("Where does Mipo live?", "the sea", editor="lora", probes=1, progress=False)
