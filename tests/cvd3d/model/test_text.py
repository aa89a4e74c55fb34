import pytest
import torch
from transformers import AutoTokenizer

from cvd3d.model.text import encode_text, small_text_encoder, word_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer(["a", "red", "cube", "on", "grass"], max_tokens=8)


def words(tokenizer, prompt):
    return tokenizer.convert_ids_to_tokens(tokenizer(prompt).input_ids)


def test_tokens_are_lower_case_words_and_others_are_unknown(tokenizer):
    assert words(tokenizer, "A red, red CUBE on lava.") == [
        "<bos>", "a", "red", "red", "cube", "on", "<unk>", "<eos>",
    ]  # fmt: skip


def test_the_tokenizer_is_the_same_after_a_round_trip(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    back = AutoTokenizer.from_pretrained(tmp_path)
    assert words(back, "a red cube, LAVA") == words(tokenizer, "a red cube, LAVA")
    assert back.model_max_length == 8 and back.pad_token_id == tokenizer.pad_token_id


def test_prompts_are_padded_or_truncated_to_one_length(tokenizer):
    encoder = small_text_encoder(tokenizer, dim=16, layers=2, heads=2).eval().requires_grad_(False)
    long = "a red cube on grass a red cube on grass"
    features = encode_text(tokenizer, encoder, ["", "a red cube", long, long + " red"])
    assert features.shape == (4, 8, 16)
    assert torch.equal(features[2], features[3])
    assert (features[0] - features[1]).abs().max() > 1e-3
    alone = encode_text(tokenizer, encoder, ["a red cube"])
    assert torch.allclose(alone[0], features[1], atol=1e-5)
