"""LiveKit's own spelling: `inference.LLM`, copied from its documentation, runs unchanged.

Example:
    ```python
    from lk_notebook import inference

    llm = inference.LLM(model="openai/gpt-5-mini", provider="openai", extra_kwargs={"reasoning_effort": "low"})
    ```
"""

from lk_notebook.llm import LLM

__all__ = ["LLM"]
