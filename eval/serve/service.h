// eval/serve/: a model behind HTTP. Threads of the server read requests and wait; one thread
// computes what waits together as one batch, and no score depends on what else is in it.
//
//   http_server ─► service ─► requests │ job_queue ─► model_worker ─► Predictor
//
// The service is the list of endpoints: from a request to its answer, without sockets.
#pragma once
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

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
  size_t max_body_bytes = 4000000;  // of a request
  std::string api_key = {};         // "": none is needed
};

class Service {
 public:
  // The queue needs a ModelWorker of the same predictor. Throws UserError for a model whose
  // predictions are no scores of examples, and for a label that it does not have.
  Service(Predictor& predictor, JobQueue& queue, ServeMetrics& metrics, ServiceOptions options);

  // May be called by several threads at once. Does not throw.
  HttpResponse handle(const HttpRequest& request);

 private:
  struct Route {
    const char* method;
    const char* path;
    HttpResponse (Service::*answer)(const HttpRequest&);
  };
  static const Route kRoutes[];
  // Null: there is no such path.
  static const Route* find_route(const std::string& path);

  HttpResponse answer(const HttpRequest& request);
  HttpResponse health(const HttpRequest& request);
  HttpResponse info(const HttpRequest& request);
  HttpResponse metrics(const HttpRequest& request);
  HttpResponse tei_rerank(const HttpRequest& request);
  HttpResponse rerank(const HttpRequest& request);
  HttpResponse predict(const HttpRequest& request);
  HttpResponse segments(const HttpRequest& request);
  // Waits for the job. `list`: what its documents are called, for messages; "": it has one.
  JobResult run(Job job, const std::string& list);
  JobResult run_rerank(const RerankRequest& request, const std::string& list);

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
