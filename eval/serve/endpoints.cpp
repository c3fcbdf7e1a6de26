// The endpoints of a service.
#include <fmt/format.h>

#include <algorithm>

#include "eval/prediction_json.h"
#include "eval/serve/fields.h"
#include "eval/serve/ranked.h"
#include "eval/serve/service.h"
#include "lait/base/error.h"
#include "lait/base/program.h"
#include "lait/config/enum_names.h"

namespace lait {
namespace {

HttpResponse json_response(const Json& json) { return {.body = json.dump()}; }

// "truncate": false.
void check_whole(const JobResult& result, const std::string& list, int64_t max_tokens) {
  for (size_t i = 0; i < result.truncated.size(); ++i) {
    if (result.truncated[i].empty()) continue;
    throw HttpError(
        413,
        fmt::format("{}: expected at most {} tokens, got more; leave truncate: false out",
                    result.truncated[i].front() == 0 ? "query" : fmt::format("{}[{}]", list, i),
                    max_tokens));
  }
}

}  // namespace

Service::Outcome Service::health(const HttpRequest&) { return json_response({{"status", "ok"}}); }

Service::Outcome Service::info(const HttpRequest&) {
  return json_response({{"model", options_.model_name},
                        {"version", version_string()},
                        {"task", spec_.task},
                        {"head", to_string(spec_.head)},
                        {"labels", spec_.labels},
                        {"score", options_.score_label},
                        {"reranks", score_.has_value()},
                        {"schedule", describe(spec_.schedule)},
                        {"independent_layers", spec_.independent_layers()},
                        {"max_segment_tokens", spec_.max_segment_tokens},
                        {"max_documents", options_.max_documents},
                        {"max_query_bytes", max_query_bytes()},
                        {"max_body_bytes", options_.max_body_bytes}});
}

Service::Outcome Service::metrics(const HttpRequest&) {
  return HttpResponse{.type = "text/plain; version=0.0.4; charset=utf-8",
                      .body = metrics_.text(queue_.size())};
}

// A query is computed once, but pair models read it with each document.
int64_t Service::max_query_bytes() const {
  constexpr int64_t kLeast = 65536, kBytesPerToken = 32;
  return std::max(kLeast, kBytesPerToken * spec_.max_segment_tokens);
}

Job Service::pairs(RerankRequest& request) const {
  if (!score_) throw HttpError(422, no_score_);
  if (std::ssize(request.query) > max_query_bytes()) {
    throw HttpError(413,
                    fmt::format("query: expected at most {} bytes, got {}; the model reads {} "
                                "tokens of it",
                                max_query_bytes(), request.query.size(), spec_.max_segment_tokens));
  }
  return {.kind = Job::Kind::kPairs,
          .query = std::move(request.query),
          .texts = std::move(request.documents),
          .max_text_tokens = request.max_text_tokens};
}

Service::Outcome Service::tei_rerank(const HttpRequest& request) {
  RerankRequest rerank = read_tei_rerank(read_body(request.body), options_.max_documents);
  Job job = pairs(rerank);
  const auto respond = [this, rerank](const JobResult& result) {
    if (!rerank.truncates) check_whole(result, "texts", spec_.max_segment_tokens);
    Json out = Json::array();
    for (const Ranked& document : ranked(result, *score_, spec_, rerank.raw_scores, rerank.top)) {
      Json& line = out.emplace_back(Json{{"index", document.index}, {"score", document.score}});
      if (rerank.return_documents) line["text"] = result.texts[document.index];
    }
    return json_response(out);
  };
  return Work{std::move(job), respond, "texts"};
}

Service::Outcome Service::rerank(const HttpRequest& request) {
  RerankRequest rerank = read_rerank(read_body(request.body), options_.max_documents);
  Job job = pairs(rerank);
  const auto respond = [this, rerank,
                        version = request.path.substr(2, 1)](const JobResult& result) {
    Json results = Json::array();
    for (const Ranked& document : ranked(result, *score_, spec_, /*raw=*/false, rerank.top)) {
      Json& line = results.emplace_back(
          Json{{"index", document.index}, {"relevance_score", document.score}});
      if (rerank.return_documents) line["document"] = Json{{"text", result.texts[document.index]}};
    }
    Json meta{{"api_version", Json{{"version", version}}}};
    const auto cut = std::ranges::count_if(result.truncated,
                                           [](const auto& segments) { return !segments.empty(); });
    if (cut > 0) {
      meta["warnings"] = Json::array({fmt::format(
          "{} of {} documents, or their query, were cut: the checkpoint takes {} tokens", cut,
          result.texts.size(), spec_.max_segment_tokens)});
    }
    Json out{{"id", fmt::format("rerank-{}", ++answers_)}};
    if (!rerank.model.empty()) out["model"] = rerank.model;
    out["results"] = std::move(results);
    out["meta"] = std::move(meta);
    return json_response(out);
  };
  return Work{std::move(job), respond, "documents"};
}

Service::Outcome Service::predict(const HttpRequest& request) {
  PredictRequest predict = read_predict(read_body(request.body), options_.max_documents, spec_);
  Job job{.kind = Job::Kind::kExamples, .examples = std::move(predict.examples)};
  const auto respond = [this, others = std::move(predict.others),
                        is_list = predict.is_list](const JobResult& result) {
    Json lines = Json::array();
    for (size_t i = 0; i < result.predictions.size(); ++i) {
      check_finite(result.predictions[i].score);
      Json& line = lines.emplace_back(others[i]);
      add_prediction(line, result.predictions[i], spec_);
      add_truncated(line, result.truncated[i]);
    }
    if (!is_list) return json_response(lines.front());
    return json_response(Json{{"predictions", std::move(lines)}});
  };
  return Work{std::move(job), respond, predict.is_list ? "instances" : ""};
}

Service::Outcome Service::segments(const HttpRequest& request) {
  std::vector<std::string> texts = read_texts(read_body(request.body), options_.max_documents);
  if (!keeps_segments_) {
    throw HttpError(422,
                    "the server keeps no segments: its model reads pairs, or it has neither "
                    "a store nor memory");
  }
  try {
    check_example({.segments = {"", ""}}, spec_);
  } catch (const UserError& error) {
    throw HttpError(422, std::string("texts: second segments of pairs: ") + error.what());
  }
  const auto respond = [](const JobResult& result) {
    return json_response({{"segments", result.texts.size()},
                          {"found", result.counts.found},
                          {"computed", result.counts.computed},
                          {"computed_bytes", result.counts.computed_bytes}});
  };
  return Work{{.kind = Job::Kind::kAhead, .texts = std::move(texts)}, respond, "texts"};
}

}  // namespace lait
