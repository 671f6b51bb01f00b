#!/usr/bin/env python3
"""Prints METEOR of captions and WUPS of answers of `emend-photo-model evaluate`, with NLTK.

    emend-photo-model evaluate ... --answers -o RESULTS.json     # --answers: for WUPS
    pip install nltk                          # and the Debian package wordnet-base (WordNet 3.0)
    python wordnet_scores.py RESULTS.json [--wordnet /usr/share/wordnet]

METEOR is NLTK's meteor_score (Banerjee & Lavie 2005: exact words, stems and WordNet's synonyms). WUPS is
the measure of DAQUAR (Malinowski & Fritz 2014): Wu-Palmer similarity of nouns, multiplied by 0.1 below
the threshold; answers with several parts are compared in both directions.
"""

import argparse
import json
import math
import os
import re
import shutil
import sys
import tempfile
import warnings

import nltk
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.data import FileSystemPathPointer
from nltk.translate.meteor_score import meteor_score

THRESHOLDS = (0.9, 0.0)
LEXICOGRAPHER_FILES = 45  # WordNet's lexnames(5WN); their names matter to neither measure


class EnglishWordNet(WordNetCorpusReader):
    def map_wn(self, version="wordnet"):
        """A table of other languages, which needs another copy of WordNet."""
        return None


def fail(problem, hint):
    sys.exit(f"wordnet_scores.py: {problem}. Hint: {hint}")


def open_wordnet(folder, copy):
    if not os.path.exists(os.path.join(folder, "data.noun")):
        fail(f"'{folder}' has no data.noun",
             "install the Debian package wordnet-base, or give the folder of WordNet's files with --wordnet")
    # Debian's package has no file lexnames, which NLTK reads, and NLTK follows no links.
    for name in os.listdir(folder):
        if os.path.isfile(os.path.join(folder, name)):
            shutil.copy(os.path.join(folder, name), copy)
    if not os.path.exists(os.path.join(copy, "lexnames")):
        with open(os.path.join(copy, "lexnames"), "w") as file:
            file.writelines(f"{i:02d} file{i} 1\n" for i in range(LEXICOGRAPHER_FILES))
    nltk.data.path.insert(0, copy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return EnglishWordNet(FileSystemPathPointer(copy), None)


def words(text):
    """The words of a text, as emend separates them (caption_scores.cpp)."""
    return re.findall(r"[a-z0-9'\-\u0080-\U0010ffff]+", text.lower())


def parts(answer):
    """The parts of an answer, which are separated by commas: "red chair, table" -> red chair; table."""
    return [part for part in (" ".join(words(part.replace("_", " "))) for part in answer.split(",")) if part] or [""]


class Wups:
    def __init__(self, wordnet):
        self.wordnet = wordnet
        self.known = {}

    def similarity(self, a, b):
        """The largest Wu-Palmer similarity of two nouns, 1 for equal texts."""
        if a == b:
            return 1.0
        key = (a, b) if a < b else (b, a)
        if key not in self.known:
            nouns = [self.wordnet.synsets(text.replace(" ", "_"), pos="n") for text in key]
            self.known[key] = max((x.wup_similarity(y) or 0.0 for x in nouns[0] for y in nouns[1]), default=0.0)
        return self.known[key]

    def score(self, answer, truth, threshold):
        answers, truths = parts(answer), parts(truth)

        def weighted(a, b):
            similarity = self.similarity(a, b)
            return similarity if similarity >= threshold else 0.1 * similarity

        return min(math.prod(max(weighted(a, t) for t in truths) for a in answers),
                   math.prod(max(weighted(a, t) for a in answers) for t in truths))


def mean_and_error(values):
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / max(1, len(values) - 1) / len(values))


def read_results(file_name):
    """Captions and answers by condition."""
    try:
        with open(file_name) as file:
            results = json.load(file)
        captions = {name: condition["captions"]
                    for name, condition in results.get("captions", {}).get("conditions", {}).items()}
        answers = results.get("questions", {}).get("answers", {})
    except OSError as error:
        fail(f"'{file_name}' cannot be read: {error.strerror}", "give the file of `evaluate -o`")
    except (ValueError, AttributeError, KeyError, TypeError):
        fail(f"'{file_name}' is not a file of results", "give the file of `evaluate -o`, not what it prints")
    if not any(captions.values()) and not any(answers.values()):
        fail(f"'{file_name}' has neither captions nor answers",
             "evaluate with --flickr8k, or with --daquar and --answers")
    return captions, answers


def print_scores(captions, answers_by_condition, wordnet):
    for name, condition in captions.items():
        scores = [meteor_score([words(text) for text in one["references"]], words(one["caption"]), wordnet=wordnet)
                  for one in condition]
        mean, error = mean_and_error(scores)
        print(f"captions, {name}: METEOR {mean:.4f} ± {error:.4f} ({len(scores)} photos)")
    wups = Wups(wordnet)
    for name, answers in answers_by_condition.items():
        right, _ = mean_and_error([float(parts(one["answer"]) == parts(one["truth"])) for one in answers])
        print(f"questions, {name}: exact match {100 * right:.2f} ({len(answers)} questions)")
        for threshold in THRESHOLDS:
            mean, error = mean_and_error([wups.score(one["answer"], one["truth"], threshold) for one in answers])
            print(f"questions, {name}: WUPS {threshold} {100 * mean:.2f} ± {100 * error:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="JSON file of `emend-photo-model evaluate -o`")
    parser.add_argument("--wordnet", default="/usr/share/wordnet", help="folder of WordNet's files")
    args = parser.parse_args()
    captions, answers = read_results(args.results)
    with tempfile.TemporaryDirectory() as copy:
        print_scores(captions, answers, open_wordnet(args.wordnet, copy))


if __name__ == "__main__":
    main()
