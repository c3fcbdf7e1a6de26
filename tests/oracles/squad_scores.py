"""Exact match and F1 of predicted answers, by transformers' copy of SQuAD's official script.

    squad_scores.py DATA.json PREDICTIONS.json NO_ANSWER.json OUTPUT.json

DATA: a SQuAD document. PREDICTIONS: {id: answer}. NO_ANSWER: {id: score, higher if there is none}.
OUTPUT: {"exact": {id: …}, "f1": {id: …}, "mean_exact", "mean_f1", "best_f1", "best_thresh"}; the
means are of all questions, the best F1 that of the best threshold of the scores. transformers 5 has
no squad_metrics.
"""
import json
import sys
import types

from transformers.data.metrics import squad_metrics


def main():
    data, preds, na_probs = (json.load(open(name, encoding="utf-8")) for name in sys.argv[1:4])
    examples = [types.SimpleNamespace(qas_id=qa["id"], answers=qa["answers"])
                for article in data["data"] for paragraph in article["paragraphs"]
                for qa in paragraph["qas"]]
    has_answer = {example.qas_id: bool(example.answers) for example in examples}
    exact, f1 = squad_metrics.get_raw_scores(examples, preds)
    best_f1, best_thresh = squad_metrics.find_best_thresh(preds, f1, na_probs, has_answer)
    with open(sys.argv[4], "w", encoding="utf-8") as out:
        json.dump({"exact": exact, "f1": f1, "mean_exact": sum(exact.values()) / len(examples),
                   "mean_f1": sum(f1.values()) / len(examples), "best_f1": best_f1 / 100,
                   "best_thresh": best_thresh}, out)


if __name__ == "__main__":
    main()
