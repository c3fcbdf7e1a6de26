#include "eval/serve/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>

#include "eval/serve/api_key.h"
#include "lait/base/error.h"
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
  HttpResponse out{.status = status,
                   .body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
  if (status == 401) out.headers = {{"WWW-Authenticate", "Bearer"}};
  if (status == 429 || status == 503) out.headers = {{"Retry-After", "1"}};
  return out;
}

// What make() returns, or the answer to what it throws.
template <class Make>
HttpResponse response_of(const Make& make) {
  try {
    return make();
  } catch (const HttpError& error) {
    return error_response(error.status, error.what());
  } catch (const std::bad_alloc&) {
    return error_response(503, "out of memory; send fewer documents at once");
  } catch (const std::exception& error) {
    return error_response(500, error.what());
  }
}

bool is_method(const std::string& method, const std::string& of_route) {
  return method == of_route || (method == "HEAD" && of_route == "GET");
}

// Of a text that is too long, by its place.
[[noreturn]] void throw_too_long(const TooLong& error, const std::string& list) {
  const std::string place = error.example == kQueryText ? "query"
                            : list.empty()              ? "segments"
                                           : fmt::format("{}[{}]", list, error.example);
  throw HttpError(413, place + ": " + error.problem);
}

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

void Service::check(const HttpRequest& head) const {
  const Route* route = find_route(head.path);
  // Whoever watches the process needs no key.
  if ((route == nullptr || route->answer != &Service::health) &&
      !is_allowed(head.authorization, options_.api_key)) {
    throw HttpError(401, "Authorization: expected \"Bearer \" and the server's key");
  }
  if (route == nullptr) {
    std::vector<std::string> paths;
    for (const Route& known : kRoutes) paths.emplace_back(known.path);
    throw HttpError(404, "path: expected one of {" + joined(paths) + "}, got " + shown(head.path));
  }
  if (!is_method(head.method, route->method)) {
    throw HttpError(405, fmt::format("{}: expected {}, got {}", route->path, route->method,
                                     shown(head.method)));
  }
}

std::optional<HttpResponse> Service::refuse(const HttpRequest& head) {
  HttpResponse response = response_of([&] {
    check(head);
    return HttpResponse();
  });
  if (response.status == 200) return std::nullopt;
  const Route* route = find_route(head.path);
  if (response.status == 405) response.headers = {{"Allow", route->method}};
  metrics_.add_request(route == nullptr ? "other" : route->path, response.status, 0);
  return response;
}

HttpResponse Service::fault(const HttpError& error) {
  metrics_.add_request("other", error.status, 0);
  return error_response(error.status, error.what());
}

void Service::handle(HttpRequest request, SendResponse answer) {
  const Route& route = *find_route(request.path);
  const auto send = [this, path = std::string(route.path), began = Clock::now(),
                     answer = std::move(answer)](MakeResponse make) {
    answer([this, path, began, make = std::move(make)] {
      HttpResponse response = response_of(make);
      metrics_.add_request(path, response.status,
                           std::chrono::duration<double>(Clock::now() - began).count());
      return response;
    });
  };
  std::optional<Work> work;
  HttpResponse at_once = response_of([&] {
    Outcome outcome = (this->*route.answer)(request);
    if (auto* response = std::get_if<HttpResponse>(&outcome)) return std::move(*response);
    work = std::get<Work>(std::move(outcome));
    work->job.done = [send, respond = std::move(work->respond),
                      list = std::move(work->list)](JobResult job_result) {
      send([respond, list, result = std::make_shared<JobResult>(std::move(job_result))] {
        try {
          if (result->error) std::rethrow_exception(result->error);
        } catch (const TooLong& error) {
          throw_too_long(error, list);
        }
        return respond(*result);
      });
    };
    push(work->job);
    return HttpResponse();
  });
  const bool is_waiting = work && !work->job.done;
  if (!is_waiting) send([response = std::move(at_once)] { return response; });
}

// Leaves `done` empty if the queue has taken the job.
void Service::push(Job& job) {
  const int64_t tokens = job.tokens(spec_.max_segment_tokens);
  switch (queue_.push(job, tokens)) {
    case JobQueue::Pushed::kYes:
      job.done = nullptr;
      return;
    case JobQueue::Pushed::kFull:
      throw HttpError(429, "the queue is full; try again in a moment");
    case JobQueue::Pushed::kClosed:
      throw HttpError(503, "the server stops; ask another one");
  }
}

}  // namespace lait
