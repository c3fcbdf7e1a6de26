// lait-serve: a model behind HTTP, for rerankers' clients.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <thread>

#include "eval/cache_options.h"
#include "eval/checkpoints.h"
#include "eval/options.h"
#include "eval/serve/http_server.h"
#include "eval/serve/model_worker.h"
#include "eval/serve/service.h"
#include "lait/base/error.h"
#include "lait/base/manual.h"
#include "lait/base/program.h"
#include "lait/base/signals.h"
#include "lait/base/terminal.h"
#include "lait/model/initialize.h"

namespace {

using namespace lait;

// An exbibyte; and what JSON can take without filling the memory (16 times as much).
constexpr uint64_t kMostBytes = uint64_t{1} << 60, kMostBody = uint64_t{1} << 30;

// In memory at once, in times of --max-body: requests that are being read, and those in the queue.
constexpr size_t kBodiesBeingRead = 32, kBodiesThatWait = 16;

struct ServeOptions {
  std::string dir;
  CacheOptions cache;
  HttpServerOptions http;
  ServiceOptions service;
  uint64_t memory_bytes = 1000000000;
  size_t queue = 64;
  ModelOptions model;

  void add_to(CLI::App& app) {
    app.add_option("--checkpoint", dir, "a checkpoint, or a run directory (its best/)")
        ->option_text("DIR");
    cache.add_to(app);
    cache.add_limit_to(app);
    app.add_option("--host", http.host, "the address to listen on; 0.0.0.0: all of this machine's")
        ->option_text("ADDR")
        ->capture_default_str();
    app.add_option("--port", http.port, "0: any free one, which is printed")
        ->option_text("N")
        ->check(CLI::Range(0, 65535))
        ->capture_default_str();
    app.add_option("--memory", memory_bytes,
                   "what values of segments may take in memory; 0: none are kept there")
        ->option_text("N[KB|MB|GB]")
        ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
        ->check(CLI::Range(uint64_t{0}, kMostBytes))
        ->capture_default_str();
    app.add_option("--connections", http.max_connections, "that are open at once; others get 503")
        ->option_text("N")
        ->check(CLI::Range(1, 100000))
        ->capture_default_str();
    app.add_option("--queue", queue, "requests that may wait for the model; others get 429")
        ->option_text("N")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    app.add_option("--max-documents", service.max_documents, "of one request; others get 413")
        ->option_text("N")
        ->check(CLI::Range(1, 1000000))
        ->capture_default_str();
    app.add_option("--max-body", service.max_body_bytes, "of one request; others get 413")
        ->option_text("N[KB|MB|GB]")
        ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
        ->check(CLI::Range(uint64_t{1}, kMostBody))
        ->capture_default_str();
    app.add_option("--score", service.score_label,
                   "of a classifier: the label whose probability is the score of a pair")
        ->option_text("LABEL");
    model.add_to(app);
  }
};

Predictor load(const ServeOptions& options) {
  const std::vector<Checkpoint> checkpoints = find_checkpoints(options.dir).checkpoints;
  if (checkpoints.size() > 1) {
    throw UserError(options.dir + ": expected one checkpoint, got a folder of " +
                    std::to_string(checkpoints.size()) + " runs; name one, e.g. " +
                    checkpoints.front().dir.parent_path().string());
  }
  return Predictor::load(checkpoints.front().dir, options.model.precision(),
                         options.model.device());
}

void use_values(Predictor& predictor, ServeOptions& options) {
  StoreUse use;
  if (!options.cache.dir.empty()) use = options.cache.open(predictor, "lait-serve");
  use.type = options.cache.type.type();
  // Segments of the pair format have no values; such a model computes each pair anew.
  if (!use.store && use.type == ValueType::kAuto && predictor.spec().format == SegmentFormat::kPair)
    return;
  if (predictor.spec().window_overlap) return;  // the service refuses it
  use.memory_bytes = static_cast<int64_t>(options.memory_bytes);
  predictor.use_store(std::move(use));
}

std::string key_of_environment() {
  const char* key = std::getenv("LAIT_API_KEY");
  if (key != nullptr && *key == '\0')
    throw UserError("LAIT_API_KEY: expected a key, got an empty text; set it, or unset it");
  return key == nullptr ? "" : key;
}

// The model computes on the main thread, whose numbers of threads were set; the server has its own.
int serve(ServeOptions& options) {
  initialize_numerics();
  exit_on_signals();  // nothing is to be finished yet
  std::signal(SIGPIPE, SIG_IGN);
  options.service.api_key = key_of_environment();
  options.model.apply();
  Predictor predictor = load(options);
  use_values(predictor, options);
  options.service.model_name = options.dir;
  options.http.max_body_bytes = options.service.max_body_bytes;
  options.http.max_bytes_being_read = kBodiesBeingRead * options.http.max_body_bytes;
  JobQueue queue(options.queue, kBodiesThatWait * options.http.max_body_bytes);
  ServeMetrics metrics;
  Service service(predictor, queue, metrics, options.service);
  HttpServer server(service, options.http);
  catch_signals();
  // Read by scripts: also with --quiet.
  show(fmt::format("lait-serve: listening on {}\n", server.url()));

  std::exception_ptr problem;  // of the server's thread
  std::thread http([&] {
    try {
      server.run([] { return stop_signal() != 0; });
    } catch (...) {
      problem = std::current_exception();
    }
    queue.close();
  });
  try {
    ModelWorker(predictor, queue, metrics, {.batch_size = options.model.batch_size}).run();
  } catch (...) {
    server.abort();
    http.join();
    queue.abandon();  // its answers belong to the server
    throw;
  }
  http.join();
  if (problem) std::rethrow_exception(problem);
  if (options.cache.store) options.cache.report(predictor, "lait-serve");
  if (stop_signal() == 0) throw std::runtime_error("the server stopped listening");
  return 128 + stop_signal();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"serves a model over HTTP: reranking and prediction", "lait-serve"};
  ServeOptions options;
  options.add_to(app);
  Entries environment = compute_environment();
  environment.emplace_back("LAIT_API_KEY",
                           "if set, requests need it: \"Authorization: Bearer KEY\"; /health does "
                           "not");
  set_manual(
      app,
      {.synopsis = std::string("--checkpoint DIR [--cache DIR [--exact] [--cache-bytes SIZE]] "
                               "[--cache-type auto|fp32|bf16|int8] [--host ADDR] [--port N] "
                               "[--memory SIZE] [--connections N] [--queue N] "
                               "[--max-documents N] [--max-body SIZE] "
                               "[--score LABEL] ") +
                   ModelOptions::synopsis(),
       .description =
           "Answers POST /rerank as Text Embeddings Inference does, POST /v1/rerank and "
           "/v2/rerank as Cohere and Jina do, POST /predict as lait-predict does, and GET /health, "
           "/info and /metrics. POST /v1/segments computes documents ahead. Requests that wait are "
           "computed together; scores are those of lait-predict, whatever else is in the batch. "
           "What a document becomes before it meets a query is kept in memory, and with --cache in "
           "a segment store. SIGTERM and SIGINT stop it when all requests that had come are "
           "answered; a second one at once.",
       .environment = environment,
       .files = {{"DIR/best/lait.yaml", "how the checkpoint reads texts"}},
       .examples =
           "lait-serve --checkpoint runs/ranking --cache cache\n"
           "curl localhost:8080/rerank -d '{\"query\": \"a claim\", \"texts\": [\"a passage\", "
           "\"another\"]}'"});
  return run_program(app, argc, argv, [&] {
    if (options.dir.empty())
      throw UserError("--checkpoint: expected a checkpoint or a run directory; see --help");
    return serve(options);
  });
}
