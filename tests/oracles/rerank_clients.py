"""Real clients of rerankers against lait-serve.

    rerank_clients.py URL KEY OUTPUT.json

Writes what each of them got, as [[index, score], …]: Cohere's package with versions 1 and 2 of its
API, and a request as Text Embeddings Inference documents it (huggingface_hub has no call for it).
"""
import json
import sys

import cohere
import requests

url, key, output = sys.argv[1:]
query, documents = "am bn", ["co", "dp am", "eq", "fr co", "am bn"]
got = {}
for name, make in (("v1", cohere.Client), ("v2", cohere.ClientV2)):
    client = make(key, base_url=url)
    answer = client.rerank(model="any", query=query, documents=documents, top_n=3)
    got[name] = [[line.index, line.relevance_score] for line in answer.results]
    assert answer.id and answer.meta.api_version.version == name[1:], answer
    try:
        client.rerank(model="any", query=query, documents=[])
        raise SystemExit(f"{name}: no documents were accepted")
    except cohere.errors.UnprocessableEntityError as error:
        assert "documents: expected at least one" in error.body["message"], error
    try:
        make("wrong", base_url=url).rerank(model="any", query=query, documents=documents)
        raise SystemExit(f"{name}: a wrong key was accepted")
    except cohere.errors.UnauthorizedError:
        pass

answer = requests.post(
    url + "/rerank",
    json={"query": query, "texts": documents, "return_text": True},
    headers={"Authorization": "Bearer " + key},
)
answer.raise_for_status()
assert all(line["text"] == documents[line["index"]] for line in answer.json())
got["tei"] = [[line["index"], line["score"]] for line in answer.json()]
with open(output, "w") as out:
    json.dump(got, out)
