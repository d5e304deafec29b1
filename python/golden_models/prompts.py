"""Prompts whose words weigh more or less: parsed, and as the embeddings of a small CLIP.

    MODEL/           a CLIPTextModel of 16 numbers a token, with CLIP's own tokenizer; or the same with
                     projection and "!", id 0, for padding, as Stable Diffusion XL's second
    SYNTAX_MODEL/    a case: its manifest entry has the prompts and what they are parsed to, and
                     golden.safetensors hidden_states.N and pooled.N of each; positive.N and negative.N
                     are two prompts' hidden states, padded to one length

compel's numbers are those of the Python package. AUTOMATIC1111's web interface is no package: beside
its cases stand the numbers of `a1111_*` below, our own reading of its published algorithm
(modules/prompt_parser.py, sd_hijack_clip.py and sd_emphasis.py of version 1.10.1).
"""

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tokenizer as tokenizer_area
import torch
from common import randomize
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

LONG = "a castle on a hill above the sea, mist in the valley, birds over the towers, " * 4
VERY_LONG = LONG * 3
NO_COMMA = "red green blue " * 30
# The comma falls 21, 20, 1 and 0 tokens before the end of the first chunk.
BOUNDARIES = [f"{'cat ' * before}, {'dog ' * 40}" for before in (53, 54, 55, 73, 74, 75)]

SHARED = [
    "",
    " ",
    "a photograph of an astronaut riding a horse",
    "고양이가 (우주복)을 입고 달 위를 걷고 있다",
    "a 🐱 (in a 🎩) 👨‍👩‍👧",
    "(((deep)))",
    "a ((b (c) d) e) f",
    "(unbalanced",
    "unbalanced)",
    ")(",
    "((a) b",
    "a) (b",
    r"\(literal\)",
    r"a \(b\) (c)",
    "backslash \\ alone",
    "trailing \\",
    "<|endoftext|> in (the) middle",
    "a,b,,c , d",
    "tab\tand\nline",
    LONG,
    VERY_LONG,
    NO_COMMA,
    "İstanbul ÇAY (ŞEKER)",
    "ﬁ ½ \u3000(x)\u00a0y",
]

A1111 = [
    *SHARED,
    "an (important) word", "()", "(())",
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
    "[less] of [[this]]",
    "[]", "[[]]", "[(])", "(a [b) c]", "[a (b] c)",
    r"\[ \] \\ \a \\(x\\)",
    "(zero:0) weight", "(a:0.0) (b:-0)",
    "(negative:-1.5) words", "(plus:+1.3)", "(x: 1.3 )", "(x :1.3)", "(huge:1000) word", "(tiny:0.00001) word",
    "(a:)", "(a:b)", "(a:b:1.2)", "(:1.2)", "(a:.5)", "(a:5.)", "(a:1.2", "a:1.2)", "ratio 16:9", "a::b",
    "(a)(b)", "(a:1.1)(b)", "(a:1.0)b", "(a)[b]", "([a])", "([a]:1.2)",
    "one BREAK two", "BREAK", "BREAK BREAK", "BREAK one", "one BREAK", " one  BREAK\n two ", "oneBREAK two",
    "BREAKS", "break", "a,BREAK,b", "(a BREAK b)", "(a BREAK b:1)", "(BREAK:-1)", "[a] BREAK (b:1.5)",
    r"(B\REAK:-1)", "한BREAK", "한 BREAK 글", "BREAK_", r"a\BREAK b", f"{LONG}BREAK (sea:1.4)", f"one BREAK {LONG}",
    *BOUNDARIES,
    f"({LONG}:1.2) [mist]", f"{'cat ' * 70}(, dog:1.3) {'bird ' * 10}", f"{'cat ' * 74}, , (dog:0.7)",
    f"{', ' * 80}(x)", "(" * 100 + "x", "(" * 20 + "x" + ")" * 20 + "[" * 30 + "y",
    "{{{curly}}} <angle> <a:>", "a|b", "[a", "a]", "[a:b]", "(a|b:1.2)", "ANDROID sAND",
]  # fmt: skip

COMPEL = [
    *SHARED,
    "a cat playing with a ball++ in the forest", "a cat-- and a (big dog)1.4, (small bird)0.6",
    "word+", "word++", "word-", "word---", "+ - ++ --", "+word -word", "well-lit c++ code", "a--b a++b",
    "(words)1.2", "(words) 1.2", "(words)+ (more)-", "(words)++1.5", "(words).5", "(words)5.", "(words)1.2.3",
    "(words)0", "(words)0.0 x", "(words)-1", "(huge)1000 word", "(tiny)0.00001 word",
    "(one (two)1.5)1.2", "((a+)++ b)0.5", "(a- b)- c", "(a)0.5 (b)0.5 c", "(a)0.5 (b)1.5 (c)0.25",
    '"two words"+', '"two words"1.3 more', '"say \\"hi\\""++', '"unclosed', 'a " b', '""', '""+ x', '"a, b. c"-',
    '"(a)+ b"1.2', '"a\\tb"+',
    "(a).attend(1.3)", "cat.attend(++)", "cat.attend( - )", "cat .attend(0.5)", "cat.attend(x)",
    r"\(a\)+", r"(a \) b)1.2", r"(a\, b\. c\+ d\- e\=)1.1", r"\\(a\\)+", r"(\\\(x)++", r"a\+ b",
    "(a = b)1.2", "(a, b)+", "(a. b)+", "a.b+", "x.y.z", "3.5+ 1girl+", "(a\nb)+",
    "(word)1.0", "a (b)1 c", "(word)1.00000001",
    '("a cat", "a dog").and()', '("a cat", "a dog").and(1, 0.5)', "(cat, dog+).add(0.3, 2)", '("a",).and()',
    '("a cat+", "b (c").and(1,1)', '("a", "", "b").and()', "(cat).and()", "(a cat, dog).and()", "((), a).and(0.1, 2)",
    '("a cat", "a dog").blend(0.7, 0.3)', '("a cat", "a dog").blend(1, 1, no_normalize)',
    '("a cat", "(a dog)0.5", bird).blend()', '("a", "b").blend(1, -0.5)', '("a").blend(2, no_normalize)',
    '("x", "y").blend(0, 1)', f'("{LONG}", "(sea)0.4").blend(0.5, 0.5)', f'("{LONG}", "short").and(1, 0.9)',
    f"{'cat ' * 70}(one two three four five six seven)0.5 end-", f"{'cat ' * 75}(gone)0.5", f"({LONG})0.8 x+",
    f"{'cat ' * 74}(last)0.5", "(((x)1.1)1.2)1.3", "(고양이)1.3 강아지+", "(🐱)0.5 🎩++",
    "ANDROID (a:1.2) [b] BREAK", ".and()", "a.and()", "text ('a', 'b').and()",
]  # fmt: skip


def compel_or_exit() -> Any:
    try:
        return importlib.import_module("compel")
    except ModuleNotFoundError as error:
        if error.name not in ("compel", "pyparsing"):
            raise
        print(f"make.py: the Python package {error.name} is missing", file=sys.stderr)
        raise SystemExit(3) from error


# --- AUTOMATIC1111's algorithm ----------------------------------------------------------------------------

Fragments = list[tuple[str, float]]
PIECE = re.compile(r"\\[()\[\]\\]?|:\s*([+-]?[.\d]+)\s*\)|[()\[\]:]|[^\\()\[\]:]+")
BREAK = ("BREAK", -1.0)


def a1111_fragments(prompt: str) -> Fragments:
    """Every closing bracket multiplies the weights of all pieces since it opened."""
    pieces: list[list[Any]] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def multiply(start: int, factor: float) -> None:
        for piece in pieces[start:]:
            piece[1] *= factor

    for found in PIECE.finditer(prompt):
        text, weight = found[0], found[1]
        if text[0] == "\\":
            pieces.append([text[1:], 1.0])
        elif text in opened:
            opened[text].append(len(pieces))
        elif text[-1] == ")" and (weight or text == ")") and opened["("]:
            multiply(opened["("].pop(), float(weight) if weight else 1.1)
        elif text == "]" and opened["["]:
            multiply(opened["["].pop(), 1 / 1.1)
        else:
            first, *others = re.split(r"\s*\bBREAK\b\s*", text)
            pieces.append([first, 1.0])
            for other in others:
                pieces += [list(BREAK), [other, 1.0]]
    for start in opened["("]:
        multiply(start, 1.1)
    for start in opened["["]:
        multiply(start, 1 / 1.1)
    merged: list[list[Any]] = []
    for text, weight in pieces or [["", 1.0]]:
        if merged and merged[-1][1] == weight:
            merged[-1][0] += text
        else:
            merged.append([text, weight])
    return [(text, weight) for text, weight in merged]


def a1111_chunks(tokenizer: Any, fragments: Fragments, backtrack: int = 20) -> list[tuple[list[int], list[float]]]:
    """Rows of 77 ids and their weights. What follows a comma near the end of a row goes to the next one."""
    comma = tokenizer.get_vocab()[",</w>"]
    rows: list[list[tuple[int, float]]] = []
    row: list[tuple[int, float]] = []
    last_comma: int | None = None
    for text, weight in fragments:
        if (text, weight) == BREAK:
            rows.append(row)
            row, last_comma = [], None
            continue
        for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
            if token == comma:
                last_comma = len(row)
            elif len(row) == 75 and last_comma is not None and 75 - last_comma <= backtrack:
                cut = last_comma + 1
                rows.append(row[:cut])
                row, last_comma = row[cut:], None
            if len(row) == 75:
                rows.append(row)
                row, last_comma = [], None
            row.append((token, weight))
    if row or not rows:
        rows.append(row)
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    chunks = []
    for row in rows:
        ids = [tokenizer.bos_token_id, *(token for token, _ in row), *[eos] * (76 - len(row))]
        if pad != eos:
            # After the first end, which a prompt may hold itself.
            end = ids.index(eos) + 1
            ids[end:] = [pad] * (77 - end)
        chunks.append((ids, [1.0, *(weight for _, weight in row), *[1.0] * (76 - len(row))]))
    return chunks


def a1111_embeddings(tokenizer: Any, encode: Callable, prompt: str) -> tuple[Tensor, Tensor]:
    """Each token's embedding times its weight, then the chunk's mean as it was; the first chunk's pooled."""
    states, pooled = [], None
    for ids, weights in a1111_chunks(tokenizer, a1111_fragments(prompt)):
        state, pool = encode(torch.tensor([ids]))
        pooled = pool if pooled is None else pooled
        weighted = state * torch.tensor([weights])[..., None]
        states.append(weighted * (state.mean() / weighted.mean()))
    return torch.cat(states, 1), pooled


# --- the cases --------------------------------------------------------------------------------------------


PAIRS = {
    "a1111": [(LONG, "ugly"), ("cat", VERY_LONG), ("cat", "dog"), ("a BREAK (b:1.2) BREAK c", "")],
    "compel": [('("a cat+", "a dog").and()', "(ugly)1.3"), ("cat", '("a", "b", "c-").and(1, 0.5, 2)'), ("cat", "dog")],
}
MODELS = {"sd1": (CLIPTextModel, tokenizer_area.EOS), "sdxl_2": (CLIPTextModelWithProjection, "!")}


def make_model(folder: Path, kind: type, pad: str) -> tuple[Any, Any]:
    folder.mkdir()
    merges, vocabulary = tokenizer_area.merges_of_clip()
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    special = {"bos_token": tokenizer_area.BOS, "eos_token": tokenizer_area.EOS, "unk_token": tokenizer_area.EOS}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **special, "pad_token": pad}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    torch.manual_seed(5)
    config = CLIPTextConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, projection_dim=12
    )
    model = randomize(kind(config), seed=6)
    model.save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder), model


def compel_fragments(module: Any, prompt: str) -> list[Any]:
    def rows(flat: Any) -> list[Any]:
        return [[each.text, each.weight] for each in flat.children]

    conjunction = module.Compel.parse_prompt_string(prompt)
    parts = []
    for part, weight in zip(conjunction.prompts, conjunction.weights, strict=True):
        blend = isinstance(part, module.prompt_parser.Blend)
        parts.append(
            {
                "texts": [rows(flat) for flat in part.prompts] if blend else [rows(part)],
                "blend_weights": part.weights if blend else [],
                "normalize": part.normalize_weights if blend else True,
                "weight": weight,
            }
        )
    return parts


def a1111_case(_: Any, tokenizer: Any, model: Any) -> tuple[list[Any], dict[str, Tensor]]:
    projecting = isinstance(model, CLIPTextModelWithProjection)

    def encode(ids: Tensor) -> tuple[Tensor, Tensor]:
        output = model(ids, output_hidden_states=True)
        if projecting:
            return output.hidden_states[-2], output.text_embeds
        return output.last_hidden_state, output.pooler_output

    def embed(prompt: str) -> tuple[Tensor, Tensor]:
        return a1111_embeddings(tokenizer, encode, prompt)

    def padded(state: Tensor, length: int) -> Tensor:
        return torch.cat([state, *[embed("")[0]] * ((length - state.shape[1]) // 77)], 1)

    found = {}
    for i, prompt in enumerate(A1111):
        found[f"hidden_states.{i}"], found[f"pooled.{i}"] = embed(prompt)
    for i, pair in enumerate(PAIRS["a1111"]):
        states = [embed(prompt)[0] for prompt in pair]
        length = max(state.shape[1] for state in states)
        found[f"positive.{i}"], found[f"negative.{i}"] = (padded(state, length) for state in states)
    return [{"prompt": prompt, "parsed": a1111_fragments(prompt)} for prompt in A1111], found


def compel_case(module: Any, tokenizer: Any, model: Any) -> tuple[list[Any], dict[str, Tensor]]:
    kinds = module.ReturnedEmbeddingsType
    projecting = isinstance(model, CLIPTextModelWithProjection)
    kind = kinds.PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED if projecting else kinds.LAST_HIDDEN_STATES_NORMALIZED
    # Not with requires_pooled, with which it fails for the weights of .and().
    made = module.Compel(tokenizer, model, returned_embeddings_type=kind)
    found = {}
    for i, prompt in enumerate(COMPEL):
        found[f"hidden_states.{i}"] = made.build_conditioning_tensor(prompt)
        found[f"pooled.{i}"] = made.conditioning_provider.get_pooled_embeddings([prompt])
    for i, pair in enumerate(PAIRS["compel"]):
        states = made.pad_conditioning_tensors_to_same_length([made.build_conditioning_tensor(p) for p in pair])
        found[f"positive.{i}"], found[f"negative.{i}"] = states
    return [{"prompt": prompt, "parsed": compel_fragments(module, prompt)} for prompt in COMPEL], found


@torch.no_grad()
def make_cases(out: Path) -> list[dict[str, Any]]:
    module = compel_or_exit()
    entries = []
    for name, (kind, pad) in MODELS.items():
        tokenizer, model = make_model(out / name, kind, pad)
        for syntax, case in (("a1111", a1111_case), ("compel", compel_case)):
            folder = out / f"{syntax}_{name}"
            folder.mkdir()
            prompts, outputs = case(module, tokenizer, model)
            tensors = {f"output.{key}": value.contiguous().clone() for key, value in outputs.items()}
            save_file(tensors, folder / "golden.safetensors")
            arguments = {"syntax": syntax, "model": name, "prompts": prompts, "pairs": PAIRS[syntax]}
            entries.append(
                {"name": folder.name, "module": kind.__name__, "dtype": "float32", "arguments": arguments, "keys": []}
            )
    return entries


def write(out: Path) -> Iterator[dict[str, Any]]:
    yield from make_cases(out)
