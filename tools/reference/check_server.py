#!/usr/bin/env python3
"""Uses `emend serve` with the official client of OpenAI.

    python check_server.py --emend build/emend

Edits the bundled model, serves it with the patch, and compares the answers of `base` and
`base+edit`, streamed and not, with those of `emend ask`. Also checks stop texts, errors, and that
memory does not grow over many requests from several clients. Exits with 1 on a difference.
"""

import argparse
import base64
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

import openai

from hugging_face import ask, emend

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUESTION = "How many shapes are there?"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emend", type=pathlib.Path, default=ROOT / "build/emend")
    parser.add_argument("--requests", type=int, default=400, help="requests of the load test")
    args = parser.parse_args()
    model = ROOT / "models/scenes-blip2"
    failures = []

    def check(what, good):
        print(f"{what}: {'right' if good else 'WRONG'}")
        if not good:
            failures.append(what)

    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        emend(args.emend, "scenes", "export", "-o", place / "scenes", "--count", 1, "--seed", 1)
        picture = next((place / "scenes/images").glob("*.png"))
        patch = place / "edit.patch"
        emend(args.emend, "edit", "-m", model, "--image", picture, "-p", QUESTION, "--target", "7", "-o", patch)
        expected = {"base": ask(args.emend, model, QUESTION, picture)["answer"],
                    "base+edit": ask(args.emend, model, QUESTION, picture, [patch])["answer"]}
        server = subprocess.Popen([args.emend, "serve", "-m", model, "--patch", patch, "--port", "0", "-t", "1"],
                                  stdout=subprocess.PIPE, text=True)
        url = re.search(r"http://\S+", server.stdout.readline()).group()
        client = openai.OpenAI(base_url=url, api_key="none", max_retries=20)
        data = "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
        messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data}},
                                                 {"type": "text", "text": QUESTION}]}]

        def answer(name, **options):
            made = client.chat.completions.create(model=name, messages=messages, **options)
            return made.choices[0].message.content

        check("models", [m.id for m in client.models.list()] == list(expected))
        for name, text in expected.items():
            check(f"{name} answers '{text}'", answer(name) == text)
            pieces = client.chat.completions.create(model=name, messages=messages, stream=True)
            check(f"{name} streams", "".join(p.choices[0].delta.content or "" for p in pieces) == text)
        check("stop text", answer("base+edit", stop=["7"]) == "")
        for options, kind in (({"model": "base+none", "messages": messages}, openai.NotFoundError),
                              ({"model": "base", "messages": []}, openai.BadRequestError),
                              ({"model": "base", "messages": messages, "n": 2}, openai.BadRequestError)):
            try:
                client.chat.completions.create(**options)
                check(kind.__name__, False)
            except kind:
                check(kind.__name__, True)

        def memory():
            text = urllib.request.urlopen(url.removesuffix("/v1") + "/metrics").read().decode()
            return float(re.search(r"^emend_resident_memory_bytes (\S+)", text, re.M).group(1))

        names = list(expected)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            def run(count):
                jobs = [(name, pool.submit(answer, name)) for name in (names[i % 2] for i in range(count))]
                return sum(job.result() == expected[name] for name, job in jobs)
            first = run(args.requests // 4)
            before = memory()
            rest = run(args.requests - args.requests // 4)
            grown = (memory() - before) / 2**20
        check(f"{args.requests} requests of 8 clients", first + rest == args.requests)
        check(f"memory grew by {grown:.1f} MB", grown < 20)
        server.terminate()
        check("clean shutdown", server.wait(30) == 0)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
