"""Conversations as text: our template, a model's own one, and templates that must not get away with anything."""

from __future__ import annotations

from typing import Any

import pytest

from weitiao.core.errors import DataError, ModelError
from weitiao.tasks import _render, _sandbox
from weitiao.tasks._render import Chat, Message, Own, Piece, Plain

CHATML = ("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
TURNS = (Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hello."), Message("user", "Why?"),
         Message("assistant", "So."))
HOME = [{"messages": [], "add_generation_prompt": False}]


def test_our_template_learns_every_answer_with_its_end() -> None:
    assert Plain("</s>").pieces([Chat(TURNS)])[0] == (
        Piece("Be kind.\n\nUser:\nHi\n\nAssistant:\n", 1, False), Piece("Hello.</s>", 2, True),
        Piece("\n\nUser:\nWhy?\n\nAssistant:\n", 3, False), Piece("So.</s>", 4, True))
    last = Plain("</s>").pieces([Chat(TURNS, every=False)])[0]
    assert [p.learnt for p in last] == [False, True] and last[1].text == "So.</s>"
    assert "".join(p.text for p in last) == "".join(p.text for p in Plain("</s>").pieces([Chat(TURNS)])[0])
    asked = Plain("</s>").pieces([Chat(TURNS[:4])])[0]
    assert len(asked) == 1 and "".join(p.text for p in last).startswith(asked[0].text)


def test_a_models_own_template_is_cut_where_answers_begin_and_end() -> None:
    own = Own(CHATML, {}, "<|im_end|>")
    got = own.pieces([Chat(TURNS), Chat(TURNS[:2]), Chat(TURNS, every=False)])
    assert [p.text for p in got[0] if p.learnt] == ["Hello.<|im_end|>", "So.<|im_end|>"]
    assert [p.message for p in got[0]] == [1, 2, 3, 4]
    assert got[1] == (Piece("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
                            "<|im_start|>assistant\n", 1, False),)
    assert [p.text for p in got[2] if p.learnt] == ["So.<|im_end|>"]
    for row in got[0], got[2]:
        assert "".join(p.text for p in row) == _sandbox.render(CHATML, [_render.variables(TURNS, ask=False)], {})[0][:-1]


def test_a_conversation_that_a_template_does_not_take_is_named() -> None:
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system prompt') }}{% endif %}" + CHATML
    with pytest.raises(DataError, match=r"data\.template_refuses.*x:7.*no system prompt"):
        Own(strict, {}, "<|im_end|>").pieces([Chat(TURNS, source="x:7")])
    # A template that drops earlier answers: what was learnt first would not stand before what is learnt next.
    forgets = CHATML.replace("m['content'] +", "(m['content'] if loop.last or m['role'] != 'assistant' else '') +")
    with pytest.raises(DataError, match=r"data\.template_refuses.*x:8.*not the beginning"):
        Own(forgets, {}, "<|im_end|>").pieces([Chat(TURNS, source="x:8")])


HOSTILE = {
    "a loop without end": "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}"
                          "{% endfor %}{% endfor %}",
    "a string too large": "{{ 'a' * 3000000000 }}",
    "many characters": "{{ 'a' * 3000000 }}",
    "a string that doubles": "{% set n = namespace(x='aaaaaaaaaa') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}"
                             "{% endfor %}{{ n.x }}",
    "Python's objects": "{{ ''.__class__.__mro__ }}",
    "an error": "{{ nothing.at.all }}",
    "no template": "{% for %}",
    "files": "{% include '/etc/passwd' %}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_templates_end_in_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sandbox, "SECONDS", 3)
    with pytest.raises(ModelError, match=r"model\.template_refused"):
        _sandbox.render(HOSTILE[name], HOME, {})


class Words:
    """As much of a tokenizer as reading a template takes."""

    eos_token, sep_token = "</s>", None
    all_special_tokens = ("</s>",)
    special_tokens_map = {"eos_token": "</s>"}  # noqa: RUF012

    def __init__(self, template: str, added: dict[int, str]) -> None:
        self.chat_template, self.added_tokens_decoder = template, added


def test_the_stop_token_is_read_off_the_template() -> None:
    assert _render.own(Words(CHATML, {5: "<|im_start|>", 6: "<|im_end|>"})).stop == "<|im_end|>"
    llama = "{% for m in messages %}{{ m['content'] }}{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    assert _render.own(Words(llama, {})).stop == "</s>"
    with pytest.raises(ModelError, match=r"model\.no_stop_token"):
        _render.own(Words("{% for m in messages %}{{ m['content'] }}\n{% endfor %}", {}))


def test_a_tokenizer_without_an_end_token_is_refused() -> None:
    class Endless:
        eos_token: Any = None
        sep_token: Any = None

    with pytest.raises(ModelError, match=r"model\.no_stop_token"):
        _render.plain(Endless())
