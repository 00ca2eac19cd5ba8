"""How far two samples of texts are apart: training rows, test rows, those of the last push, texts that were served.

Two questions are asked. Before a run learns: are its rows apart by more than chance makes of the texts of this corpus
(`measure_distances`, `noise_between_splits`, over what `text_features` counts)? While a model serves: has one of the
looks of a day found texts that are others (`judge_window`, over what `measure_texts` measures)?
"""
