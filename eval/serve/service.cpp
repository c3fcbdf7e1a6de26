#include "eval/serve/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>

#include "eval/prediction_json.h"
#include "eval/serve/api_key.h"
#include "eval/serve/fields.h"
#include "eval/serve/ranked.h"
#include "lait/base/error.h"
#include "lait/base/program.h"
#include "lait/base/shown_text.h"
#include "lait/base/words.h"
#include "lait/config/enum_names.h"

namespace lait {
namespace {

using Clock = std::chrono::steady_clock;

// What Text Embeddings Inference calls the kinds of errors.
const char* error_type(int status) {
  if (status == 429) return "Overloaded";
  return status < 500 ? "Validation" : "Backend";
}

// Clients of Text Embeddings Inference read "error", those of Cohere "message".
HttpResponse error_response(int status, const std::string& text) {
  const Json json{{"error", text}, {"error_type", error_type(status)}, {"message", text}};
  // A path may be no UTF-8.
  return {.status = status, .body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

HttpResponse json_response(const Json& json) { return {.body = json.dump()}; }

}  // namespace

const Service::Route Service::kRoutes[] = {
    {"GET", "/health", &Service::health},     {"GET", "/info", &Service::info},
    {"GET", "/metrics", &Service::metrics},   {"POST", "/rerank", &Service::tei_rerank},
    {"POST", "/v1/rerank", &Service::rerank}, {"POST", "/v2/rerank", &Service::rerank},
    {"POST", "/predict", &Service::predict},  {"POST", "/v1/segments", &Service::segments},
};

const Service::Route* Service::find_route(const std::string& path) {
  const auto* found =
      std::ranges::find_if(kRoutes, [&](const Route& route) { return path == route.path; });
  return found == std::end(kRoutes) ? nullptr : found;
}

Service::Service(Predictor& predictor, JobQueue& queue, ServeMetrics& metrics,
                 ServiceOptions options)
    : spec_(predictor.spec()),
      queue_(queue),
      metrics_(metrics),
      options_(std::move(options)),
      keeps_segments_(predictor.values() != nullptr && predictor.values()->keeps()) {
  if (spec_.window_overlap) {
    throw UserError("lait-serve does not serve " + to_string(spec_.head) +
                    " models, whose passages are cut into windows; use lait-predict");
  }
  if (!spec_.labels.empty() && options_.score_label.empty()) {
    no_score_ = "the model is a classifier: start lait-serve with --score and one of {" +
                joined(spec_.labels) + "}";
    return;
  }
  score_.emplace(spec_, options_.score_label);
  try {
    check_example({.segments = {"", ""}}, spec_);
  } catch (const UserError& error) {
    score_.reset();
    no_score_ = std::string("the model takes no pairs of a query and a document: ") + error.what();
  }
}

HttpResponse Service::handle(const HttpRequest& request) {
  const auto began = Clock::now();
  HttpResponse response;
  try {
    response = answer(request);
  } catch (const HttpError& error) {
    response = error_response(error.status, error.what());
    if (error.status == 401) response.headers = {{"WWW-Authenticate", "Bearer"}};
    if (error.status == 429) response.headers = {{"Retry-After", "1"}};
  } catch (const std::bad_alloc&) {
    response = error_response(503, "out of memory; send fewer documents at once");
  } catch (const std::exception& error) {
    response = error_response(500, error.what());
  }
  const Route* route = find_route(request.path);
  metrics_.add_request(route == nullptr ? "other" : route->path, response.status,
                       std::chrono::duration<double>(Clock::now() - began).count());
  return response;
}

HttpResponse Service::answer(const HttpRequest& request) {
  const Route* route = find_route(request.path);
  // Whoever watches the process needs no key.
  if ((route == nullptr || route->answer != &Service::health) &&
      !is_allowed(request.authorization, options_.api_key)) {
    throw HttpError(401, "Authorization: expected \"Bearer \" and the server's key");
  }
  if (route == nullptr) {
    std::vector<std::string> paths;
    for (const Route& known : kRoutes) paths.emplace_back(known.path);
    throw HttpError(404,
                    "path: expected one of {" + joined(paths) + "}, got " + shown(request.path));
  }
  if (request.method != route->method &&
      !(request.method == "HEAD" && route->method == std::string("GET"))) {
    HttpResponse response = error_response(
        405, fmt::format("{}: expected {}, got {}", route->path, route->method, request.method));
    response.headers = {{"Allow", route->method}};
    return response;
  }
  if (request.is_too_long || request.body.size() > options_.max_body_bytes) {
    throw HttpError(413, fmt::format("body: expected at most {} bytes, got more; send several "
                                     "requests",
                                     options_.max_body_bytes));
  }
  return (this->*route->answer)(request);
}

HttpResponse Service::health(const HttpRequest&) { return json_response({{"status", "ok"}}); }

HttpResponse Service::info(const HttpRequest&) {
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
                        {"max_body_bytes", options_.max_body_bytes}});
}

HttpResponse Service::metrics(const HttpRequest&) {
  return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics_.text(queue_.size())};
}

HttpResponse Service::tei_rerank(const HttpRequest& request) {
  const RerankRequest rerank = read_tei_rerank(read_body(request.body), options_.max_documents);
  const JobResult result = run_rerank(rerank, "texts");
  Json out = Json::array();
  for (const Ranked& document : ranked(result, *score_, spec_, rerank.raw_scores, rerank.top)) {
    Json& line = out.emplace_back(Json{{"index", document.index}, {"score", document.score}});
    if (rerank.return_documents) line["text"] = rerank.documents[document.index];
  }
  return json_response(out);
}

HttpResponse Service::rerank(const HttpRequest& request) {
  const RerankRequest rerank =
      read_rerank(read_body(request.body), options_.max_documents, spec_.max_segment_tokens);
  const JobResult result = run_rerank(rerank, "documents");
  Json results = Json::array();
  for (const Ranked& document : ranked(result, *score_, spec_, /*raw=*/false, rerank.top)) {
    Json& line =
        results.emplace_back(Json{{"index", document.index}, {"relevance_score", document.score}});
    if (rerank.return_documents)
      line["document"] = Json{{"text", rerank.documents[document.index]}};
  }
  Json meta{{"api_version", Json{{"version", request.path.substr(2, 1)}}}};
  const auto cut = std::ranges::count_if(result.truncated,
                                         [](const auto& segments) { return !segments.empty(); });
  if (cut > 0) {
    meta["warnings"] = Json::array(
        {fmt::format("{} of {} documents, or their query, were cut: the checkpoint takes {} tokens",
                     cut, rerank.documents.size(), spec_.max_segment_tokens)});
  }
  Json out{{"id", fmt::format("rerank-{}", ++answers_)}};
  if (!rerank.model.empty()) out["model"] = rerank.model;
  out["results"] = std::move(results);
  out["meta"] = std::move(meta);
  return json_response(out);
}

HttpResponse Service::predict(const HttpRequest& request) {
  PredictRequest predict = read_predict(read_body(request.body), options_.max_documents, spec_);
  const JobResult result =
      run({.examples = std::move(predict.examples)}, predict.is_list ? "instances" : "");
  for (size_t i = 0; i < result.predictions.size(); ++i) {
    check_finite(result.predictions[i].score);
    add_prediction(predict.others[i], result.predictions[i], spec_);
    add_truncated(predict.others[i], result.truncated[i]);
  }
  if (!predict.is_list) return json_response(predict.others.front());
  return json_response({{"predictions", predict.others}});
}

HttpResponse Service::segments(const HttpRequest& request) {
  std::vector<std::string> texts = read_texts(read_body(request.body), options_.max_documents);
  if (!keeps_segments_)
    throw HttpError(422,
                    "the server keeps no segments: its model reads pairs, or it has neither "
                    "a store nor memory");
  try {
    check_example({.segments = {"", ""}}, spec_);
  } catch (const UserError& error) {
    throw HttpError(422, std::string("texts: second segments of pairs: ") + error.what());
  }
  const size_t count = texts.size();
  const SegmentValues::Counts counts = run({.texts = std::move(texts)}, "texts").counts;
  return json_response({{"segments", count},
                        {"found", counts.found},
                        {"computed", counts.computed},
                        {"computed_bytes", counts.computed_bytes}});
}

JobResult Service::run(Job job, const std::string& list) {
  auto result = queue_.push(std::move(job));
  if (!result) throw HttpError(429, "the queue is full; try again in a moment");
  try {
    return result->get();
  } catch (const TooLong& error) {
    throw HttpError(413, (list.empty() ? "segments" : fmt::format("{}[{}]", list, error.example)) +
                             ": " + error.problem);
  }
}

JobResult Service::run_rerank(const RerankRequest& request, const std::string& list) {
  if (!score_) throw HttpError(422, no_score_);
  Job job;
  for (const std::string& document : request.documents)
    job.examples.emplace_back().segments = {request.query, document};
  JobResult result = run(std::move(job), "query with " + list);
  if (request.truncate.value_or(true)) return result;
  for (size_t i = 0; i < result.truncated.size(); ++i) {
    if (result.truncated[i].empty()) continue;
    throw HttpError(
        413,
        fmt::format("{}: expected at most {} tokens, got more; leave "
                    "truncate: false out",
                    result.truncated[i].front() == 0 ? "query" : fmt::format("{}[{}]", list, i),
                    spec_.max_segment_tokens));
  }
  return result;
}

}  // namespace lait
