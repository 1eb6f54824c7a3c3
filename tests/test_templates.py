"""Chat templates of the usual model families, rendered as their makers document them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import gguf
import pytest

from rag.errors import RagError
from rag.llama import Model
from rag.types import Message

from .vocabularies import LlamaFiles

pytestmark = pytest.mark.model

SYSTEM, QUESTION = Message("system", "Be brief."), Message("user", "What is a pump?")
ANSWER, FOLLOW_UP = Message("assistant", "펌프는 기계입니다."), Message("user", "한국어로?")

MakeModel = Callable[..., Model]


class Today(datetime):
    """The day on which the templates that print a date are rendered."""

    @classmethod
    def now(cls, tz: object = None) -> Today:
        return cls(2026, 1, 2)


@pytest.fixture(autouse=True)
def the_day_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.rendering.datetime", Today)


@pytest.fixture
def model_with(tmp_path: Path) -> Iterator[MakeModel]:
    """Makes a model of nothing but a template and the marks of the beginning and end of text."""
    made: list[Model] = []

    def make(template: str, begin: str = "<s>", end: str = "</s>") -> Model:
        path = tmp_path / f"{len(made)}.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_tokenizer_model("llama")
        writer.add_token_list(["<unk>", begin, end])
        writer.add_token_scores([0.0] * 3)
        writer.add_token_types([gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_chat_template(template)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        made.append(Model(path, vocab_only=True))
        return made[-1]

    yield make
    for model in made:
        model.close()


# What the makers document -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Documented:
    """How a family writes a conversation. `{}` is the content of a message, `…` any text of the maker's own.

    `bare` stands in place of a system message where there is none; `opening` is where the model goes on.
    """

    system: str
    user: str
    answer: str
    opening: str
    bare: str = ""
    begin: str = ""
    marks: tuple[str, str] = ("<s>", "</s>")


CHATML = Documented(
    system="<|im_start|>system\n{}<|im_end|>\n",
    user="<|im_start|>user\n{}<|im_end|>\n",
    answer="<|im_start|>assistant\n{}<|im_end|>\n",
    opening="<|im_start|>assistant\n",
)
LLAMA_3 = Documented(
    begin="<|begin_of_text|>",
    system="<|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n{}<|eot_id|>",
    bare="<|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>",
    user="<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>",
    answer="<|start_header_id|>assistant<|end_header_id|>\n\n{}<|eot_id|>",
    opening="<|start_header_id|>assistant<|end_header_id|>\n\n",
    marks=("<|begin_of_text|>", "<|eot_id|>"),
)
DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>")
GPT_OSS_SYSTEM = (
    "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
    "Knowledge cutoff: 2024-06\nCurrent date: 2026-01-02\n\nReasoning: medium\n\n"
    "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>"
)


def variant(base: Documented, **changes: str) -> Documented:
    return Documented(**{**base.__dict__, **changes})


FAMILIES = {
    "Qwen-Qwen2.5-7B-Instruct": variant(
        CHATML,
        bare="<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n",
    ),
    "Qwen-Qwen3-0.6B": CHATML,
    "Qwen3.5-4B": variant(CHATML, opening="<|im_start|>assistant\n<think>\n"),
    "LFM2-8B-A1B": variant(CHATML, begin="<s>"),
    "HuggingFaceTB-SmolLM3-3B": variant(
        CHATML,
        system="<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nReasoning Mode: /think\n\n"
        "## Custom Instructions\n\n{}\n\n<|im_end|>\n",
        bare="<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nReasoning Mode: /think\n\n"
        "## Custom Instructions\n\nYou are a helpful AI assistant named SmolLM…\n\n<|im_end|>\n",
    ),
    "meta-llama-Llama-3.1-8B-Instruct": LLAMA_3,
    "meta-llama-Llama-3.2-3B-Instruct": variant(
        LLAMA_3,
        system=LLAMA_3.system.replace("26 Jul 2024", "02 Jan 2026"),
        bare=LLAMA_3.bare.replace("26 Jul 2024", "02 Jan 2026"),
    ),
    "meta-llama-Llama-3.3-70B-Instruct": LLAMA_3,
    "google-gemma-4-31B-it": Documented(
        begin="<bos>",
        system="<|turn>system\n{}<turn|>\n",
        user="<|turn>user\n{}<turn|>\n",
        answer="<|turn>model\n{}<turn|>\n",
        opening="<|turn>model\n<|channel>thought\n<channel|>",
        marks=("<bos>", "<eos>"),
    ),
    "Mistral-Small-3.2-24B-Instruct-2506": Documented(
        begin="<s>",
        system="[SYSTEM_PROMPT]{}[/SYSTEM_PROMPT]",
        bare="[SYSTEM_PROMPT]You are Mistral Small 3…The current date is 2026-01-02.…[/SYSTEM_PROMPT]",
        user="[INST]{}[/INST]",
        answer="{}</s>",
        opening="",
    ),
    "microsoft-Phi-3.5-mini-instruct": Documented(
        system="<|system|>\n{}<|end|>\n",
        user="<|user|>\n{}<|end|>\n",
        answer="<|assistant|>\n{}<|end|>\n",
        opening="<|assistant|>\n",
    ),
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": Documented(
        begin="<｜begin▁of▁sentence｜>",
        system="{}",
        user="<｜User｜>{}",
        answer="<｜Assistant｜>{}<｜end▁of▁sentence｜>",
        opening="<｜Assistant｜><think>\n",
        marks=DEEPSEEK,
    ),
    "deepseek-ai-DeepSeek-V3.1": Documented(
        begin="<｜begin▁of▁sentence｜>",
        system="{}",
        user="<｜User｜>{}",
        answer="<｜Assistant｜><think></think>{}<｜end▁of▁sentence｜>",
        opening="<｜Assistant｜><think></think>",
        marks=DEEPSEEK,
    ),
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": Documented(
        begin="<BOS_TOKEN>",
        system="<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|># System Preamble\n…\n\n# Developer Preamble\n…\n{}"
        "<|END_OF_TURN_TOKEN|>",
        bare="<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|># System Preamble\n…<|END_OF_TURN_TOKEN|>",
        user="<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{}<|END_OF_TURN_TOKEN|>",
        answer="<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_RESPONSE|>{}<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
        opening="<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_THINKING|><|END_THINKING|>",
        marks=("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"),
    ),
    "ibm-granite-granite-3.3-2B-Instruct": Documented(
        system="<|start_of_role|>system<|end_of_role|>{}<|end_of_text|>\n",
        bare="<|start_of_role|>system<|end_of_role|>Knowledge Cutoff Date: April 2024. "
        "Today's Date: January 02, 2026. You are Granite, developed by IBM. You are a helpful AI assistant."
        "<|end_of_text|>\n",
        user="<|start_of_role|>user<|end_of_role|>{}<|end_of_text|>\n",
        answer="<|start_of_role|>assistant<|end_of_role|>{}<|end_of_text|>\n",
        opening="<|start_of_role|>assistant<|end_of_role|>",
    ),
    "openai-gpt-oss-120b": Documented(
        begin=GPT_OSS_SYSTEM,
        system="<|start|>developer<|message|># Instructions\n\n{}\n\n<|end|>",
        user="<|start|>user<|message|>{}<|end|>",
        answer="<|start|>assistant<|channel|>final<|message|>{}<|end|>",
        opening="<|start|>assistant",
    ),
    "upstage-Solar-Open-100B": Documented(
        begin="<|begin|>system<|content|>## Provider System Prompt\n\nYou are Solar Open 100B, a large language model "
        "trained by Upstage AI, a Korean startup. Your knowledge cutoff is 2025-07. The current date is 2026-01-02.",
        system="\n\n## System Prompt\n\n{}<|end|>",
        bare="<|end|>",
        user="<|begin|>user<|content|>{}<|end|>",
        answer="<|begin|>assistant<|content|>{}<|end|>",
        opening="<|begin|>assistant",
    ),
}
CONVERSATIONS = {
    "system and question": [SYSTEM, QUESTION],
    "question": [QUESTION],
    "conversation": [SYSTEM, QUESTION, ANSWER, FOLLOW_UP],
}


def written(family: Documented, messages: list[Message]) -> str:
    turns = {"system": family.system, "user": family.user, "assistant": family.answer}
    text = family.begin if messages[0].role == "system" else family.begin + family.bare
    return text + "".join(turns[message.role].replace("{}", message.content) for message in messages) + family.opening


@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("name", FAMILIES)
def test_a_prompt_is_written_as_its_maker_documents(
    name: str, messages: list[Message], model_with: MakeModel, llama_files: LlamaFiles
) -> None:
    family = FAMILIES[name]
    rendered = model_with(llama_files.template(name), *family.marks).render(messages)
    expected = written(family, messages)
    if "…" in expected:
        assert re.fullmatch(re.escape(expected).replace("…", ".*"), rendered, re.DOTALL)
    else:
        assert rendered == expected


def test_mistral_nemo_gets_the_system_text_in_the_last_question(model_with: MakeModel, llama_files: LlamaFiles) -> None:
    model = model_with(llama_files.template("mistralai-Mistral-Nemo-Instruct-2407"))
    assert model.render([QUESTION]) == "<s>[INST]What is a pump?[/INST]"
    assert model.render([SYSTEM, QUESTION]) == "<s>[INST]Be brief.\n\nWhat is a pump?[/INST]"
    assert model.render([SYSTEM, QUESTION, ANSWER, FOLLOW_UP]) == (
        "<s>[INST]What is a pump?[/INST]펌프는 기계입니다.</s>[INST]Be brief.\n\n한국어로?[/INST]"
    )


def test_gemma_2_which_refuses_system_messages_gets_the_text_before_the_first_question(
    model_with: MakeModel, llama_files: LlamaFiles
) -> None:
    model = model_with(llama_files.template("google-gemma-2-2b-it"), "<bos>", "<eos>")
    assert model.render([QUESTION]) == (
        "<bos><start_of_turn>user\nWhat is a pump?<end_of_turn>\n<start_of_turn>model\n"
    )
    assert model.render([SYSTEM, QUESTION]) == (
        "<bos><start_of_turn>user\nBe brief.\n\nWhat is a pump?<end_of_turn>\n<start_of_turn>model\n"
    )
    assert model.render([SYSTEM, QUESTION, ANSWER, FOLLOW_UP]) == (
        "<bos><start_of_turn>user\nBe brief.\n\nWhat is a pump?<end_of_turn>\n"
        "<start_of_turn>model\n펌프는 기계입니다.<end_of_turn>\n"
        "<start_of_turn>user\n한국어로?<end_of_turn>\n<start_of_turn>model\n"
    )


# Thinking ---------------------------------------------------------------------------------------------------

THOUGHTS = {
    "Qwen3.5-4B": "<think>\n",
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": "<think>\n",
    "GLM-4.7-Flash": "<think>",
    "MiniMax-M2": "<think>\n",
    "StepFun3.5-Flash": "<think>\n",
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": "<think>\n",
    "Qwen-QwQ-32B": "<think>\n</think>",
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": "<think>\n</think>",
    "deepseek-ai-DeepSeek-V3.1": "<think></think>",
    "google-gemma-4-31B-it": "<|channel>thought\n<channel|>",
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": "<|START_THINKING|><|END_THINKING|>",
}
SILENT = ["Qwen-Qwen3-0.6B", "HuggingFaceTB-SmolLM3-3B", "GLM-4.6", "ibm-granite-granite-3.3-2B-Instruct"]


@pytest.mark.parametrize("name", THOUGHTS)
def test_a_prompt_ends_in_the_thought_that_its_template_opens_by_itself(
    name: str, model_with: MakeModel, llama_files: LlamaFiles
) -> None:
    rendered = model_with(llama_files.template(name)).render([SYSTEM, QUESTION])
    assert re.search(r"(<think>\s*(</think>)?|(<\|channel>|<\|START_THINKING).*)\Z", rendered, re.DOTALL)
    assert rendered.endswith(THOUGHTS[name])


@pytest.mark.parametrize("name", SILENT)
def test_a_prompt_leaves_the_beginning_of_a_thought_to_the_model(
    name: str, model_with: MakeModel, llama_files: LlamaFiles
) -> None:
    assert "think>" not in model_with(llama_files.template(name)).render([SYSTEM, QUESTION])


# All templates of the folder --------------------------------------------------------------------------------

TRAINING = ["LFM2.5-8B-A1B", "poolside-Laguna-S-2.1", "poolside-Laguna-XS-2.1", "poolside-Laguna-XS.2"]
NEEDS_FUNCTIONS = "fireworks-ai-llama-3-firefunction-v2"


def test_every_other_template_renders_the_question_and_ends_for_the_assistant(
    model_with: MakeModel, llama_files: LlamaFiles
) -> None:
    names = {path.stem for path in (llama_files.folder / "templates").glob("*.jinja")}
    assert len(names) > 60
    for name in names - {*TRAINING, NEEDS_FUNCTIONS}:
        with closing(model_with(llama_files.template(name))) as model:
            for messages in CONVERSATIONS.values():
                rendered = model.render(messages)
                assert all(message.content in rendered for message in messages), name
                assert not rendered.endswith(messages[-1].content), name


def test_a_template_that_wants_what_a_chat_has_not_is_refused(model_with: MakeModel, llama_files: LlamaFiles) -> None:
    with pytest.raises(RagError) as caught:
        model_with(llama_files.template(NEEDS_FUNCTIONS)).render([QUESTION])
    assert caught.value.code == "GEN-002"
    assert "functions" in caught.value.data["reason"]


@pytest.mark.parametrize("name", TRAINING)
def test_marks_for_training_around_an_answer_are_passed_over(
    name: str, model_with: MakeModel, llama_files: LlamaFiles
) -> None:
    rendered = model_with(llama_files.template(name)).render([SYSTEM, QUESTION, ANSWER, FOLLOW_UP])
    assert all(message.content in rendered for message in (SYSTEM, QUESTION, ANSWER, FOLLOW_UP))


def test_json_in_a_template_is_written_plainly(model_with: MakeModel) -> None:
    model = model_with("{{ messages[0].content | tojson }}")
    assert model.render([Message("user", "<b>'한국어'</b>")]) == "\"<b>'한국어'</b>\""


@pytest.mark.parametrize(
    "template",
    [
        "{{ 1 + 'a' }}",
        "{{ 1 // 0 }}",
        "{{ range(10 ** 9) | list }}",
        "{{ messages[0].content.index('§') }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
    ids=["type", "zero", "range", "value", "recursion"],
)
def test_a_template_that_fails_in_python_is_refused_too(template: str, model_with: MakeModel) -> None:
    with pytest.raises(RagError):
        model_with(template).render([QUESTION])
