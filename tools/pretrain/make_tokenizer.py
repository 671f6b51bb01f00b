"""Trains the tokenizer of the bundled model on the text of Scenes: byte-level BPE like OPT's.

    build/emend-corpus 20000 > corpus.txt
    python tools/pretrain/make_tokenizer.py corpus.txt models/scenes-blip2

IDs: <s> 0, <pad> 1, </s> 2, <unk> 3, then the 256 bytes, then the merges; <image> is the last.
Needs the packages tokenizers and (for the final check) transformers. It was run once, before the
model was trained.
"""

import json
import pathlib
import sys

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SIZE = 1280

# Common words, so that other text is not split into letters.
COMMON = """
the of and to in is it you that he was for on are with as his they be at one have this from or had by
not but what all were when we there can an your which their said if do will each about how up out them
then she many some so these would other into has more her two like him see time could no make than
first been its who now people my made over did down only way find use may water long little very after
words called just where most know get through back much before go good new write our used me man too
any day same right look think also around another came come work three word must because does part even
place well such here take why things help put years different away again off went old number great tell
men say small every found still between name should home big give air line set own under read last
never us left end along while might next sound below saw something thought both few those always looked
show large often together asked house world going want school important until form food keep children
feet land side without boy once animals life enough took sometimes four head above kind began almost
live page got earth need far hand high year mother light parts country father let night following
picture being study second eyes soon times story boys since white days ever paper hard near sentence
better best across during today others however sure means knew try told young miles sun ways thing whole
hear example heard several change answer room sea against top turned learn point city play toward five
using himself usually money seen car morning black red green blue brown yellow table chair door window
river mountain tree bird fish horse dog cat king queen song music book letter color true false correct
""".split()


def words(corpus):
    for line in corpus:
        yield line
    for word in COMMON:
        for _ in range(3):
            yield "a " + word
            yield word


def main(corpus_file, folder):
    corpus = pathlib.Path(corpus_file).read_text(encoding="utf-8").splitlines()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(
        words(corpus),
        trainers.BpeTrainer(
            vocab_size=SIZE - 1,
            special_tokens=special,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    tokenizer.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", pair="</s> $A </s> $B", special_tokens=[("</s>", 2)]
    )
    assert tokenizer.get_vocab_size() == SIZE, tokenizer.get_vocab_size()
    assert [tokenizer.token_to_id(t) for t in special] == [0, 1, 2, 3]

    out = pathlib.Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    model = json.loads((out / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    vocab = dict(sorted(model["vocab"].items(), key=lambda kv: kv[1]))
    (out / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    (out / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    config = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_bos_token": True,
        "add_prefix_space": False,
        "bos_token": "</s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "</s>",
        "model_max_length": 512,
        "added_tokens_decoder": {
            str(i): {"content": t, "lstrip": False, "rstrip": False, "normalized": False,
                     "single_word": False, "special": True}
            for i, t in [*enumerate(special), (SIZE - 1, "<image>")]
        },
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (out / "special_tokens_map.json").write_text(json.dumps(
        {k: config[k] for k in ("bos_token", "eos_token", "pad_token", "unk_token")}, indent=2) + "\n")

    lengths = [len(tokenizer.encode(line, add_special_tokens=False).ids) for line in corpus[:20000]]
    print(f"{SIZE} tokens; {sum(lengths) / len(lengths):.1f} tokens per line")
    split = sorted({w for line in corpus for w in line.split(" ")
                    if len(tokenizer.encode(" " + w, add_special_tokens=False).ids) > 2})
    print(f"{len(split)} words of the world take more than two tokens: {split[:40]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
