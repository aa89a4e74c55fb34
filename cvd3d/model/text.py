"""Text encoding: token features of prompts from any CLIP text encoder, and the default model's small encoder."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<eos>")


def word_tokenizer(vocabulary: Sequence[str], max_tokens: int = 24) -> PreTrainedTokenizerFast:
    """A tokenizer with one token per lower-case word; words outside the vocabulary become <unk>."""
    words = {word: i for i, word in enumerate((*SPECIAL_TOKENS, *vocabulary))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation(behavior="removed")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", words["<bos>"]), ("<eos>", words["<eos>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=max_tokens, pad_token="<pad>", unk_token="<unk>",
        bos_token="<bos>", eos_token="<eos>",
    )  # fmt: skip


def small_text_encoder(tokenizer: PreTrainedTokenizerBase, dim: int, layers: int, heads: int) -> CLIPTextModel:
    """A CLIP text transformer with random weights, sized for the tokenizer's vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=dim, intermediate_size=4 * dim, projection_dim=dim,
            num_hidden_layers=layers, num_attention_heads=heads, max_position_embeddings=tokenizer.model_max_length,
            pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )  # fmt: skip


def encode_text(tokenizer: PreTrainedTokenizerBase, encoder: CLIPTextModel, prompts: Sequence[str]) -> Tensor:
    """(B, L, D) token features of B prompts, padded or truncated to the tokenizer's length L."""
    tokens = tokenizer(
        list(prompts), padding="max_length", truncation=True, max_length=tokenizer.model_max_length, return_tensors="pt"
    )
    return encoder(tokens.input_ids.to(encoder.device)).last_hidden_state
