#!/usr/bin/env bash
# tensorflow_text.FastBertTokenizer and Hugging Face's BertNormalizer with a WordPiece model are both BERT's tokeniser,
# and do not give the same tokens for the same vocabulary.
#
# Seen with tensorflow-text 2.21.1 and tokenizers 0.22.1, lower case, U+0001 to U+2FFFF, each character between two
# letters: 8,079 differ. FastBertTokenizer makes a space of control characters, where the other drops them, and an
# unknown word of U+FFFD, which the other drops too.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "tensorflow==2.21.0" "tensorflow-text==2.21.1" "tokenizers==0.22.1"
cd "$work"
cat > surprise.py <<'PYTHON'
import sys
import tensorflow_text
import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##b", "##a"]
fast = tensorflow_text.FastBertTokenizer(words, lower_case_nfd_strip_accents=True, support_detokenization=False)
other = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
other.normalizer = normalizers.BertNormalizer(lowercase=True)
other.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
points = [point for point in range(1, 0x30000) if not 0xD800 <= point < 0xE000]
texts = [f"a{chr(point)}b" for point in points]
theirs = [each.ids for each in other.encode_batch(texts)]
ours = fast.tokenize(texts).to_list()
different = {point: (one, two) for point, one, two in zip(points, ours, theirs) if one != two}
print(f"tensorflow-text {tensorflow_text.__version__}, tokenizers {tokenizers.__version__}: {len(different)} differ")
for point in (0x01, 0xFFFD):
    print(f"a U+{point:04X} b: FastBertTokenizer {different[point][0]}, Hugging Face {different[point][1]}")
sys.exit(len(different) != 8079 or different[1] != ([4, 5], [4, 6]) or different[0xFFFD] != ([1], [4, 6]))
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py
