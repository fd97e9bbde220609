"""The names that extra_kwargs may hold, as rows: those of Chat Completions with their values, and other servers' own.

Sources: OpenAI's API reference for Chat Completions (openai-python 3.57) and the servers' own documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameter:
    """One known name: what kind of value it takes, and which. `kind` "any" has no closer rule."""

    name: str
    kind: str = "any"  # "number", "integer", "boolean", "text", "choice", "any"
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_CHAT_COMPLETIONS = (
    Parameter("reasoning_effort", "choice", EFFORTS),
    Parameter("max_completion_tokens", "integer", low=1),
    Parameter("temperature", "number", low=0, high=2),
    Parameter("top_p", "number", low=0, high=1),
    Parameter("verbosity", "choice", ("low", "medium", "high")),
    Parameter("response_format"),
    Parameter("seed", "integer"),
    Parameter("stop"),
    Parameter("service_tier", "choice", ("auto", "default", "flex", "scale", "priority", "fast")),
    Parameter("tool_choice", "choice", ("none", "auto", "required")),
    Parameter("parallel_tool_calls", "boolean"),
    Parameter("max_tokens", "integer", low=1),
    Parameter("frequency_penalty", "number", low=-2, high=2),
    Parameter("presence_penalty", "number", low=-2, high=2),
    Parameter("logit_bias"),
    Parameter("logprobs", "boolean"),
    Parameter("top_logprobs", "integer", low=0, high=20),
    Parameter("n", "integer", low=1),
    Parameter("store", "boolean"),
    Parameter("metadata"),
    Parameter("prediction"),
    Parameter("modalities"),
    Parameter("audio"),
    Parameter("web_search_options"),
    Parameter("prompt_cache_key", "text"),
    Parameter("prompt_cache_retention", "choice", ("in_memory", "24h")),
    Parameter("prompt_cache_options"),
    Parameter("safety_identifier", "text"),
    Parameter("user", "text"),
    Parameter("moderation"),
    Parameter("functions"),
    Parameter("function_call"),
    Parameter("extra_headers"),
    Parameter("extra_body"),
    Parameter("extra_query"),
)

# Names that other servers read. They are here so that none of them counts as a near miss of another.
_VENDORS = {
    "several": "top_k min_p top_a typical_p repetition_penalty repeat_penalty length_penalty min_tokens best_of echo "
    "chat_template chat_template_args chat_template_kwargs reasoning include_reasoning reasoning_format thinking "
    "enable_thinking thinking_budget documents models priority",
    "Groq": "search_settings include_domains exclude_domains compound_custom citation_options disable_tool_validation",
    "Cerebras": "disable_reasoning clear_thinking",
    "vLLM": "guided_json guided_regex guided_choice guided_grammar guided_decoding_backend structured_outputs "
    "use_beam_search stop_token_ids include_stop_str_in_output ignore_eos skip_special_tokens request_id "
    "spaces_between_special_tokens allowed_token_ids bad_words prompt_logprobs truncate_prompt_tokens "
    "add_generation_prompt continue_final_message add_special_tokens mm_processor_kwargs cache_salt vllm_xargs",
    "SGLang": "regex ebnf min_new_tokens max_new_tokens stop_regex no_stop_trim separate_reasoning stream_reasoning",
    "Ollama": "num_ctx num_predict num_gpu num_keep keep_alive think options format repeat_last_n",
    "llama.cpp": "n_predict n_probs n_keep min_keep cache_prompt id_slot grammar json_schema samplers mirostat "
    "mirostat_tau mirostat_eta dynatemp_range dynatemp_exponent xtc_probability xtc_threshold dry_multiplier "
    "dry_base dry_allowed_length top_n_sigma timings_per_token return_progress reasoning_budget",
    "OpenRouter": "route transforms plugins usage provider",
    "Mistral": "safe_prompt random_seed prompt_mode",
    "Qwen": "enable_search search_options preserve_thinking result_format",
    "xAI": "search_parameters deferred",
    "Azure": "data_sources",
    "LiteLLM": "drop_params fallbacks mock_response num_retries tags cache guardrails",
}

#: The names that OpenAI's own SDK knows; another one must go into its `extra_body`.
CHAT_COMPLETIONS = tuple(row.name for row in _CHAT_COMPLETIONS)

KNOWN: Mapping[str, Parameter] = {row.name: row for row in _CHAT_COMPLETIONS} | {
    name: Parameter(name) for names in _VENDORS.values() for name in names.split()
}

#: Fields that the call itself fills, each with the mend.
OWNED: Mapping[str, str] = {
    "model": "Name the model as the first word of the line, or as model=… of LLM.",
    "messages": "Write the prompt into the cell, or give messages as the first argument of llm(…).",
    "stream": "Leave it out: every answer streams, and reply.text holds the whole.",
    "stream_options": "Leave it out: the usage is always asked for. Other options go into extra_body.",
    "tools": "Offer notebook functions with -t f,g, or tools=[f, g] in Python; a server's own go into extra_body.",
}
