"""Lines of text that are difficult for tokenizers, made of Unicode ranges and fragments.

`lines()` is deterministic. A line is a string, or [string, n]: the string n times.
"""

import random
import unicodedata

WORDS = {
    "latin": "the star is above small red circle who lives near water Snorbo eats berries café naïve "
             "Zürich über straße façade Łódź Århus œuvre coöperate ﬁne ſoft İstanbul ıslak Đà Nẵng".split(),
    "cyrillic": "звезда красная круг маленький где живёт она ест ягоды йод съезд ґанок їжак ђак".split(),
    "greek": "αστέρι κόκκινο μικρός κύκλος ποιος ζει εδώ Ἀθῆναι ὁδός ΌΜΩΣ τέλος".split(),
    "arabic": "نجمة حمراء دائرة صغيرة أين يعيش هُوَ يأكل التوت ٣٤٥ لا".split(),
    "hebrew": "כוכב אדום עיגול קטן איפה הוא גר שָׁלוֹם אוכל תות".split(),
    "devanagari": "तारा लाल छोटा वृत्त कहाँ रहता है वह खाता क्षत्रिय १२३ हिंदी".split(),
    "thai": "ดาว สีแดง วงกลม เล็ก อยู่ที่ไหน เขา กิน น้ำ ๑๒๓ ผู้".split(),
    "chinese": "星星 红色 小 圆形 它 住在 哪里 吃 浆果 龍 𠮷 一二三 ，。".split(),
    "japanese": "ほし あかい ちいさい まる どこ カタカナ ﾊﾝｶｸ がぎぐ パピプ 々 ー。「赤」".split(),
    "korean": "별 빨간 작은 원 어디 사는 먹는다 ㄱㄴㄷ 한글 값이".split(),
    "other": "աստղ կարմիր ვარსკვლავი წითელი ኮከብ ቀይ ក្រហម ดาว நட்சத்திரம் তারা నక్షత్రం ക ಕೆಂಪು ᚠᚢᚦ ᏣᎳᎩ".split(),
}
RANGES = {
    "latin": [(0x20, 0x17F), (0x180, 0x24F), (0x1E00, 0x1EFF), (0xFB00, 0xFB06), (0xFF21, 0xFF5A)],
    "cyrillic": [(0x400, 0x52F)],
    "greek": [(0x370, 0x3FF), (0x1F00, 0x1FFF)],
    "arabic": [(0x600, 0x6FF), (0x750, 0x77F), (0xFB50, 0xFDFF)],
    "hebrew": [(0x590, 0x5FF)],
    "devanagari": [(0x900, 0x97F)],
    "thai": [(0xE00, 0xE7F)],
    "chinese": [(0x4E00, 0x9FFF), (0x3400, 0x3450), (0x20000, 0x20100), (0x3000, 0x303F)],
    "japanese": [(0x3040, 0x30FF), (0xFF61, 0xFF9F)],
    "korean": [(0xAC00, 0xD7A3), (0x1100, 0x11FF)],
    "other": [(0x530, 0x58F), (0x980, 0xDFF), (0x1000, 0x139F), (0x13A0, 0x167F), (0x1780, 0x18AF),
              (0x2C00, 0x2DFF), (0xA000, 0xABFF), (0x10000, 0x10FFF), (0x1D400, 0x1D7FF)],
}
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n", " \n", "\n ", "\u00a0", "\u1680", "\u180e",
          "\u2000", "\u2003", "\u2009", "\u200a", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f",
          "\u2060", "\u3000", "\ufeff", "\x0b", "\x0c", "\x85", "\x1c", "\x1f", "\t\t", "        "]
CONTRACTIONS = ["it's", "IT'S", "it'S", "we'll", "WE'LL", "we'Ll", "they're", "THEY'RE", "I've", "I'VE",
                "I'm", "I'M", "he'd", "HE'D", "can't", "CAN'T", "it’s", "we’ll", "'tis", "rock'n'roll",
                "y'all'd've", "'s", "'ſ", "it'ſ", "o'clock", "''s", "' s", "'\u0049\u0307"]
DIGITS = ["0", "7", "42", "1999", "3.14159", "1,000,000", "１２３", "٤٥٦", "१२", "๗๘", "²³", "½", "Ⅷ", "①②",
          "0x1F", "1e-9", "十七", "𝟙𝟚𝟛", "1st", "2nd", "12:30", "a1b2c3", "٣.٥"]
CONTROLS = ["\x00", "\x01", "\x07", "\x08", "\x1b[0m", "\x7f", "\x80", "\x9f", "\u00ad", "\u061c", "\u200c",
            "\u200d", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\ufff9", "\ufffd", "\ufffe",
            "\U000e0001", "\U000e0041", "\ue000", "\U000f0000", "\U0010ffff"]
EMOJI = ["😀", "👍", "👍🏽", "👩‍🔬", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇯🇵🇫🇷", "❤️", "✈︎", "1️⃣", "#️⃣", "🧑🏿‍🚀", "🫠", "☃", "🀄", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"]
MARKS = [0x300, 0x301, 0x302, 0x303, 0x304, 0x308, 0x30A, 0x30B, 0x30C, 0x323, 0x327, 0x328, 0x331, 0x338,
         0x345, 0x3099, 0x309A, 0x5B0, 0x5B8, 0x64B, 0x651, 0x93C, 0x94D, 0xE48, 0x20D0, 0x1D165]
COMPOSABLE = "aeiouAEIOUncszyrdtlghkwηαωιЕеиґかきはハカ가각\u1100\u1161\u11a8\u212b\u2126\u0958क\u0b47"
SPECIAL = ["<|endoftext|>", "</s>", "<s>", "<pad>", "<unk>", "<image>", "<mask>", "<|im_start|>",
           "<|im_end|>", "<tool_call>", "</tool_call>", "<|fim_pad|>", "<|endof", "text|>", "[WORD]", "[LEFT]",
           "[RIGHT]", "[BOTH]", "[BOTH][BOTH]", "é!", "e\u0301!", "Ångström", "A\u030angstro\u0308m", "[", "<"]
CODE = ["for (int i = 0; i < n; ++i) {", "\treturn x[i] * 2;", "}", "def f(a, b=None):", "    pass", "#include <map>",
        "if (!p) return -1;  // none", "SELECT * FROM t WHERE a='b';", "https://example.org/a?b=c&d=%20#e",
        "name@example.org", "C:\\tmp\\file.txt", "{\"key\": [1, 2.5e3, null]}", "snake_case_name", "camelCaseName",
        "<div class=\"a\">&amp;</div>", "$HOME/.config", "a->b::c<d>>e", "x^2 + y_1 \\frac{a}{b}", "--flag=value",
        "/* * */", "!!!", "...", "?!?!", "—–-", "“quoted”", "«»", "€5.00", "100%", "***bold***", "~~~", "@@ -1 +1 @@"]


def assigned(rng, ranges):
    while True:
        low, high = rng.choice(ranges)
        code = chr(rng.randint(low, high))
        if unicodedata.category(code) not in ("Cn", "Cs"):
            return code


def sentence(rng, script, n):
    return rng.choice(SPACES[:2] + [" "] * 8).join(rng.choice(WORDS[script]) for _ in range(n))


def lines():
    rng = random.Random(20240607)
    out = ["", " ", "  ", "\n", "a", " a", "a ", "Hello world", " Hello  world \n"]
    for script in WORDS:
        for _ in range(40):
            out.append(sentence(rng, script, rng.randint(2, 9)) + rng.choice(["", ".", "!", " ", "?\n", "…"]))
        for _ in range(45):
            out.append("".join(assigned(rng, RANGES[script]) for _ in range(rng.randint(1, 24))))
        for _ in range(10):
            out.append(unicodedata.normalize("NFD", sentence(rng, script, 5)))
    pools = {"spaces": SPACES, "contractions": CONTRACTIONS, "digits": DIGITS, "controls": CONTROLS,
             "emoji": EMOJI, "special": SPECIAL, "code": CODE}
    for pool in pools.values():
        out.extend(pool)
        for _ in range(45):
            parts = []
            for _ in range(rng.randint(1, 6)):
                parts.append(rng.choice(pool))
                parts.append(rng.choice(["", "", " ", sentence(rng, "latin", 1), " " + sentence(rng, "latin", 2)]))
            out.append("".join(parts))
    for _ in range(120):  # marks: composed, decomposed, in non-canonical order, without base character
        out.append("".join(rng.choice(COMPOSABLE) + "".join(chr(rng.choice(MARKS)) for _ in range(rng.randint(0, 3)))
                           for _ in range(rng.randint(1, 8))))
    for _ in range(260):  # a mixture of everything
        parts = []
        for _ in range(rng.randint(2, 9)):
            kind = rng.randrange(4)
            if kind == 0:
                parts.append(sentence(rng, rng.choice(list(WORDS)), rng.randint(1, 3)))
            else:
                parts.append(rng.choice(rng.choice(list(pools.values()))))
            parts.append(rng.choice(["", " ", " ", rng.choice(SPACES)]))
        out.append("".join(parts))
    for _ in range(60):  # runs of all kinds of white space around words and at the end
        out.append("".join(rng.choice(SPACES) if rng.random() < 0.7 else rng.choice(["a", "1", ".", "é", "'s"])
                           for _ in range(rng.randint(2, 14))))
    for _ in range(60):  # any assigned characters
        out.append("".join(assigned(rng, [(0, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x1FFFF)]) for _ in range(8)))
    for text in ["a", "ab", " ", "\n", "\t ", "the ", "0", "12 ", "é", "e\u0301", "字", "👍🏽", "'s", "!", " !", "\r\n",
                 "<", "</s>", "[BOTH] ", "aé字 ", "\u3000", "\x00", "abcdefghijklmnopqrstuvwxyz", "xY9 -"]:
        out.append([text, 4000 // len(text.encode())])
    return out
