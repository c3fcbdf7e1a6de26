// What clients ask for, read from the bodies of their requests.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/serve/fields.h"
#include "lait/data/example.h"
#include "lait/model/spec.h"

namespace lait {

struct RerankRequest {
  std::string query = {};
  std::vector<std::string> documents = {};
  // How many results; nullopt: all.
  std::optional<int64_t> top = {};
  bool raw_scores = false, return_documents = false;
  // False: a text that is too long is an error.
  bool truncates = true;
  // Documents are cut to so many tokens.
  std::optional<int64_t> max_text_tokens = {};
  std::string model = {};
};
// Of Text Embeddings Inference: "query", "texts", "raw_scores", "return_text", "truncate". Without
// the last it does what its option --auto-truncate says: on by default in its current source, off
// in older versions (and in its page of the API). Both functions throw HttpError.
RerankRequest read_tei_rerank(const Json& body, int64_t max_documents);
// Of Cohere and Jina: "query", "documents", "top_n", "return_documents", "max_tokens_per_doc".
RerankRequest read_rerank(const Json& body, int64_t max_documents);

struct PredictRequest {
  std::vector<Example> examples = {};
  // Of each, its other fields: they are copied to the answer.
  std::vector<Json> others = {};
  // {"instances": […]}; false: the body is one.
  bool is_list = false;
};
// Throws HttpError, also for examples that the model cannot take. An example counts as a document
// for each of its segments but the first, and at least once.
PredictRequest read_predict(const Json& body, int64_t max_documents, const ModelSpec& spec);

// {"texts": […]}.
std::vector<std::string> read_texts(const Json& body, int64_t max_documents);

}  // namespace lait
