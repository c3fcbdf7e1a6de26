"""Answers by transformers' question-answering pipeline, which reads a saved checkpoint as it is.

    qa_pipeline.py CHECKPOINT DATA.json OUTPUT.json

DATA: a SQuAD document. OUTPUT: {id: {"answer", "start", "end"}}, offsets in characters; "" where no
answer is likelier than every one of up to 30 tokens. transformers 5 has no such pipeline.
"""
import json
import sys

import transformers


def main():
    checkpoint, data, output = sys.argv[1:]
    answer = transformers.pipeline("question-answering", model=checkpoint, device="cpu")
    answers = {}
    for article in json.load(open(data, encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                found = answer(question=qa["question"], context=paragraph["context"],
                               handle_impossible_answer=True, max_answer_len=30,
                               align_to_words=False)
                answers[qa["id"]] = {key: found[key] for key in ("answer", "start", "end")}
    with open(output, "w", encoding="utf-8") as out:
        json.dump(answers, out)


if __name__ == "__main__":
    main()
