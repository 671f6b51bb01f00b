"""Writes src/text/testdata/chat.json: the output of transformers' apply_chat_template for new
templates with the constructs of LLaVA-1.5, SmolVLM, SmolLM2, Llama 2, Vicuna, Qwen2-VL and Qwen2.5,
and for many small pieces of Jinja.

    python tools/reference/text/make_chat_fixtures.py

Needs transformers (5.23 or newer) with jinja2. The text is null if the template raises an error.
"""

import datetime
import json
import pathlib

from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import render_jinja_template

from chat_templates import (BRACKETED, CAPITALIZED, COUNTED, DATED, MACROS, MARKED, PICTURES_FIRST, TOOLS,
                            VICUNA_LIKE)
from jinja_pieces import DATA, EXPRESSIONS, PIECES

OUT = pathlib.Path(__file__).resolve().parents[3] / "src/text/testdata/chat.json"


class Today(datetime.datetime):
    """The date of these chats, for strftime_now."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 6)


chat_template_utils.datetime = Today


def text(words):
    return {"type": "text", "text": words}


IMAGE = {"type": "image"}
PLAIN = [
    [{"role": "user", "content": "What is it?"}],
    [{"role": "system", "content": " Be short. "}, {"role": "user", "content": "  Who?\n"},
     {"role": "assistant", "content": " Mubbo. "}, {"role": "user", "content": "Größe 星 \"so\"?"}],
    [{"role": "assistant", "content": "I begin."}],
    [],
]
PARTS = [
    [{"role": "user", "content": [IMAGE, text("What is it?")]}],
    [{"role": "system", "content": [text("Be short.")]},
     {"role": "user", "content": [text("Two pictures:"), IMAGE, {"type": "image", "url": "a.png"}, text("Which?")]},
     {"role": "assistant", "content": [text("The second.")]}, {"role": "user", "content": [text("Sure?")]}],
    [{"role": "user", "content": [{"type": "video"}, text("And this?")]}],
]
OPTIONS = [{}, {"add_generation_prompt": True}, {"bos_token": "<s>", "eos_token": "</s>"},
           {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True, "add_vision_id": True}]

CALLS = [[{"role": "user", "content": "How warm is it?"},
          {"role": "assistant", "content": None,
           "tool_calls": [{"type": "function", "function": {"name": "warmth", "arguments": {"place": "Łódź", "unit": 'C"'}}},
                          {"name": "hour", "arguments": {}}]},
          {"role": "tool", "content": "21"}, {"role": "tool", "content": "noon"},
          {"role": "assistant", "content": "21 degrees."}]]
TOOL_LIST = [{"type": "function", "function": {"name": "warmth", "parameters": {"type": "object", "properties": {
    "place": {"type": "string", "enum": ["a", "b"]}, "deep": {"n": None, "t": True, "x": 1.5, "e": [], "o": {}}}}}}]


def case(template, messages, variables):
    variables = dict(variables)
    try:
        tools = variables.get("tools")
        rendered, _ = render_jinja_template(conversations=[messages], chat_template=template, tools=tools,
                                            add_generation_prompt=variables.get("add_generation_prompt", False),
                                            **{k: v for k, v in variables.items() if k not in ("tools", "add_generation_prompt")})
        result = rendered[0]
    except Exception as error:  # raised by the template or by Jinja
        print("refused:", repr(template[:60]), type(error).__name__, str(error)[:70])
        result = None
    return {"messages": messages, "variables": variables, "text": result}


def main():
    groups = []
    for name, template, chats in [
            ("pictures_first", PICTURES_FIRST, PARTS), ("capitalised", CAPITALIZED, PARTS), ("marked", MARKED, PLAIN),
            ("bracketed", BRACKETED, PLAIN), ("vicuna_like", VICUNA_LIKE, PLAIN), ("counted", COUNTED, PARTS + PLAIN),
            ("dated", DATED, PLAIN), ("macros", MACROS, PARTS + PLAIN)]:
        cases = [case(template, chat, options) for chat in chats for options in OPTIONS]
        groups.append({"name": name, "template": template, "cases": cases})
    groups.append({"name": "tools", "template": TOOLS, "cases": [
        case(TOOLS, chat, {**options, "tools": tools}) for chat in CALLS + PLAIN[:2] for options in OPTIONS[:2]
        for tools in (None, TOOL_LIST)]})
    for name, template in (("dated tools", DATED), ("macros and tools", MACROS)):
        groups.append({"name": name, "template": template, "cases": [
            case(template, chat, {"bos_token": "<s>", **options, "tools": TOOL_LIST}) for chat in CALLS + PLAIN
            for options in ({}, {"add_generation_prompt": True}, {"tools_in_user_message": False},
                            {"date_string": "1 Jan 2020"})]})
    chat = PLAIN[1]
    small = [[template, case(template, chat, DATA)["text"]]
             for template in ["{{ " + e + " }}" for e in EXPRESSIONS] + PIECES]
    value = {"groups": groups, "messages": chat, "variables": DATA, "small": small}
    OUT.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace('],["', '],\n["') + "\n", encoding="utf-8")
    print(len(groups), "templates,", len(small), "pieces,", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
