"""Exact match and F1 of predicted answers, as SQuAD's official script counts them.

    squad_scores.py DATA.json PREDICTIONS.json NO_ANSWER.json OUTPUT.json

DATA: a SQuAD document. PREDICTIONS: {id: answer}. NO_ANSWER: {id: score, higher if there is none}.
OUTPUT: {"exact": {id: …}, "f1": {id: …}, "mean_exact", "mean_f1", "best_f1", "best_thresh"}; the
means are of all questions, the best F1 that of the best threshold of the scores.

The functions are those of evaluate-v2.0.py (Rajpurkar et al. 2018), of which transformers had a
copy, squad_metrics.py, until version 4.
"""
import collections
import json
import re
import string
import sys


def normalize_answer(s):
    """Lower text and remove punctuation, articles and extra whitespace."""
    def remove_articles(text):
        return re.sub(r"\b(a|an|the)\b", " ", text, flags=re.UNICODE)

    def white_space_fix(text):
        return " ".join(text.split())

    def remove_punc(text):
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def get_tokens(s):
    return normalize_answer(s).split() if s else []


def compute_exact(a_gold, a_pred):
    return int(normalize_answer(a_gold) == normalize_answer(a_pred))


def compute_f1(a_gold, a_pred):
    gold_toks = get_tokens(a_gold)
    pred_toks = get_tokens(a_pred)
    common = collections.Counter(gold_toks) & collections.Counter(pred_toks)
    num_same = sum(common.values())
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        # If either is no-answer, then F1 is 1 if they agree, 0 otherwise.
        return int(gold_toks == pred_toks)
    if num_same == 0:
        return 0
    precision = 1.0 * num_same / len(pred_toks)
    recall = 1.0 * num_same / len(gold_toks)
    return (2 * precision * recall) / (precision + recall)


def get_raw_scores(dataset, preds):
    exact_scores, f1_scores, has_answer = {}, {}, {}
    for article in dataset:
        for p in article["paragraphs"]:
            for qa in p["qas"]:
                qid = qa["id"]
                gold_answers = [a["text"] for a in qa["answers"] if normalize_answer(a["text"])]
                has_answer[qid] = bool(qa["answers"])
                if not gold_answers:
                    gold_answers = [""]
                if qid not in preds:
                    continue
                a_pred = preds[qid]
                exact_scores[qid] = max(compute_exact(a, a_pred) for a in gold_answers)
                f1_scores[qid] = max(compute_f1(a, a_pred) for a in gold_answers)
    return exact_scores, f1_scores, has_answer


def find_best_thresh(preds, scores, na_probs, qid_to_has_ans):
    num_no_ans = sum(1 for k in scores if not qid_to_has_ans[k])
    cur_score = num_no_ans
    best_score = cur_score
    best_thresh = 0.0
    for qid in sorted(na_probs, key=lambda k: na_probs[k]):
        if qid not in scores:
            continue
        if qid_to_has_ans[qid]:
            diff = scores[qid]
        else:
            diff = -1 if preds[qid] else 0
        cur_score += diff
        if cur_score > best_score:
            best_score = cur_score
            best_thresh = na_probs[qid]
    return best_score / len(scores), best_thresh


def main():
    data, preds, na_probs = (json.load(open(name, encoding="utf-8")) for name in sys.argv[1:4])
    exact, f1, has_answer = get_raw_scores(data["data"], preds)
    best_f1, best_thresh = find_best_thresh(preds, f1, na_probs, has_answer)
    with open(sys.argv[4], "w", encoding="utf-8") as out:
        json.dump({"exact": exact, "f1": f1, "mean_exact": sum(exact.values()) / len(has_answer),
                   "mean_f1": sum(f1.values()) / len(has_answer), "best_f1": best_f1,
                   "best_thresh": best_thresh}, out)


if __name__ == "__main__":
    main()
