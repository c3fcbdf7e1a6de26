#include "eval/serve/requests.h"

#include <algorithm>

#include "eval/prediction_json.h"
#include "eval/serve/http.h"
#include "lait/base/error.h"

namespace lait {
namespace {

std::string element(const std::string& list, size_t i) {
  return list + "[" + std::to_string(i) + "]";
}

std::vector<std::string> texts_of(const Json& list, const std::string& name) {
  std::vector<std::string> out;
  for (size_t i = 0; i < list.size(); ++i) out.push_back(text_of(list[i], element(name, i)));
  return out;
}

// A group for each segment, as Example::groups says.
std::vector<int32_t> read_groups(const Json& groups, size_t segments, const std::string& where) {
  std::vector<int32_t> out;
  bool fits = groups.is_array() && groups.size() == segments;
  for (size_t i = 0; fits && i < segments; ++i) {
    const int64_t last = i == 0 ? 0 : out.back(), most = i == 0 ? 0 : last + 1;
    fits = groups[i].is_number_integer() && groups[i].get<int64_t>() >= last &&
           groups[i].get<int64_t>() <= most;
    if (fits) out.push_back(groups[i].get<int32_t>());
  }
  if (!fits) {
    wrong_field(where + "groups",
                "a number for each segment, from 0 on, each the last one or one more", &groups);
  }
  return out;
}

// `place`: "", or "instances[3]". Takes its documents from `left`.
void read_instance(const Json& instance, const std::string& place, const ModelSpec& spec,
                   int64_t& left, PredictRequest& out) {
  const std::string where = place.empty() ? "" : place + ".";
  if (!instance.is_object()) wrong_field(place, "a JSON object", &instance);
  const Json* segments = find_field(instance, "segments");
  if (segments == nullptr || !segments->is_array())
    wrong_field(where + "segments", "a list of texts", segments);
  left -= std::max<int64_t>(1, static_cast<int64_t>(segments->size()) - 1);
  if (left < 0) {
    throw HttpError(413, where +
                             "segments: expected fewer; all segments but the first of each "
                             "example are documents, see max_documents in /info");
  }
  Example& example = out.examples.emplace_back();
  example.segments = texts_of(*segments, where + "segments");
  if (const Json* groups = find_field(instance, "groups"))
    example.groups = read_groups(*groups, segments->size(), where);
  Json& others = out.others.emplace_back(Json::object());
  for (const auto& [name, value] : instance.items()) {
    // A label of data that have one is not read.
    if (name == "segments" || name == "groups" || name == "label") continue;
    if (std::ranges::find(kPredictionFields, name) != std::end(kPredictionFields)) {
      throw HttpError(422, where + name + ": is a field of the answer; give yours another name");
    }
    others[name] = value;
  }
  try {
    check_example(example, spec);
  } catch (const UserError& error) {
    throw HttpError(422, where + "segments: " + error.what());
  }
}

}  // namespace

RerankRequest read_tei_rerank(const Json& body, int64_t max_documents) {
  return {.query = text_field(body, "query"),
          .documents = texts_of(list_field(body, "texts", max_documents), "texts"),
          .raw_scores = flag_field(body, "raw_scores").value_or(false),
          .return_documents = flag_field(body, "return_text").value_or(false),
          .truncates = flag_field(body, "truncate").value_or(true)};
}

RerankRequest read_rerank(const Json& body, int64_t max_documents) {
  RerankRequest out{.query = text_field(body, "query"),
                    .top = count_field(body, "top_n"),
                    .return_documents = flag_field(body, "return_documents").value_or(false),
                    .max_text_tokens = count_field(body, "max_tokens_per_doc")};
  const Json& documents = list_field(body, "documents", max_documents);
  for (size_t i = 0; i < documents.size(); ++i) {
    const std::string where = element("documents", i);
    if (!documents[i].is_object()) {
      if (!documents[i].is_string()) wrong_field(where, "a text or {\"text\": …}", &documents[i]);
      out.documents.push_back(documents[i].get<std::string>());
      continue;
    }
    const Json* text = find_field(documents[i], "text");
    if (text == nullptr) wrong_field(where + ".text", "a text", nullptr);
    out.documents.push_back(text_of(*text, where + ".text"));
  }
  if (find_field(body, "model") != nullptr) out.model = text_field(body, "model");
  return out;
}

PredictRequest read_predict(const Json& body, int64_t max_documents, const ModelSpec& spec) {
  PredictRequest out;
  if (find_field(body, "instances") == nullptr) {
    read_instance(body, "", spec, max_documents, out);
    return out;
  }
  out.is_list = true;
  const Json& instances = list_field(body, "instances", max_documents);
  for (size_t i = 0; i < instances.size(); ++i)
    read_instance(instances[i], element("instances", i), spec, max_documents, out);
  return out;
}

std::vector<std::string> read_texts(const Json& body, int64_t max_documents) {
  return texts_of(list_field(body, "texts", max_documents), "texts");
}

}  // namespace lait
