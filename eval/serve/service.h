// eval/serve/: a model behind HTTP. One thread reads requests and writes answers; another computes
// what waits together as one batch, and no score depends on what else is in it.
//
//   http_server ─► service ─► requests │ job_queue ─► model_worker ─► Predictor
//
// The service is the list of endpoints: from a request to its answer, without sockets.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "eval/pair_score.h"
#include "eval/serve/http.h"
#include "eval/serve/job_queue.h"
#include "eval/serve/metrics.h"
#include "eval/serve/requests.h"
#include "lait/predict/predictor.h"

namespace lait {

struct ServiceOptions {
  std::string model_name = {};
  // Of a classifier: the label whose probability is a pair's score; "": pairs are not ranked.
  std::string score_label = {};
  int64_t max_documents = 1000;     // of a request
  size_t max_body_bytes = 4000000;  // of a request: the server's, for /info
  std::string api_key = {};         // "": none is needed
};

class Service : public HttpHandler {
 public:
  // The queue needs a ModelWorker of the same predictor. Throws UserError for a model whose
  // predictions are no scores of examples, and for a label that it does not have.
  Service(Predictor& predictor, JobQueue& queue, ServeMetrics& metrics, ServiceOptions options);

  std::optional<HttpResponse> refuse(const HttpRequest& head) override;
  void handle(HttpRequest request, SendResponse answer) override;
  HttpResponse fault(const HttpError& error) override;

 private:
  // What is left to do for an answer: a job, and what makes the answer of its result.
  struct Work {
    Job job = {};
    std::function<HttpResponse(const JobResult&)> respond = {};
    // What the job's documents are called in messages; "": it has one.
    std::string list = {};
  };
  using Outcome = std::variant<HttpResponse, Work>;
  struct Route {
    const char* method;
    const char* path;
    // Throws HttpError.
    Outcome (Service::*answer)(const HttpRequest&);
  };
  static const Route kRoutes[];
  // Null: there is no such path.
  static const Route* find_route(const std::string& path);

  // The endpoints, in endpoints.cpp.
  Outcome health(const HttpRequest& request);
  Outcome info(const HttpRequest& request);
  Outcome metrics(const HttpRequest& request);
  Outcome tei_rerank(const HttpRequest& request);
  Outcome rerank(const HttpRequest& request);
  Outcome predict(const HttpRequest& request);
  Outcome segments(const HttpRequest& request);
  // The job of a request for scores, whose documents leave it.
  Job pairs(RerankRequest& request) const;

  void check(const HttpRequest& head) const;
  void push(Job& job);
  int64_t max_query_bytes() const;

  const ModelSpec spec_;
  JobQueue& queue_;
  ServeMetrics& metrics_;
  const ServiceOptions options_;
  const bool keeps_segments_;
  // nullopt: why pairs are not ranked is in no_score_.
  std::optional<PairScore> score_;
  std::string no_score_;
  std::atomic<int64_t> answers_ = 0;  // of rerank, for their ids
};

}  // namespace lait
