// A service of a tiny checkpoint, with its worker on a thread. Only tests see this.
#pragma once
#include <future>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "eval/serve/model_worker.h"
#include "eval/serve/service.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"

namespace lait {

struct ServedOptions {
  TinyOptions checkpoint = {.independent_layers = 2, .head = HeadKind::kRelevance};
  ServiceOptions service = {};
  WorkerOptions worker = {};
  int64_t memory_bytes = 1 << 20;
  size_t queue = 64, queue_bytes = 1 << 26;
  bool store = false;
  ValueType type = ValueType::kAuto;
};

class Served {
 public:
  explicit Served(const ServedOptions& options = {})
      : options_(options),
        predictor_(load(folder_, options)),
        plain_(load(folder_, options)),
        queue_(options.queue, options.queue_bytes) {
    StoreUse use{.memory_bytes = options.memory_bytes, .type = options.type};
    if (options.store) {
      use.store = std::make_shared<SegmentStore>(
          folder_ / "store", StoreWriteOptions{.made_by = made_here(predictor_.model())});
    }
    if (options.checkpoint.format != SegmentFormat::kPair) predictor_.use_store(use);
    if (options.type != ValueType::kAuto) plain_.use_store({.type = options.type});
    service_.emplace(predictor_, queue_, metrics_, options.service);
    start();
  }
  ~Served() { stop(); }

  void start() {
    worker_ =
        std::thread([&] { ModelWorker(predictor_, queue_, metrics_, options_.worker).run(); });
  }
  // What waits is computed.
  void stop() {
    queue_.close();
    if (worker_.joinable()) worker_.join();
  }

  // As a server asks.
  std::future<HttpResponse> begin(const HttpRequest& request) {
    auto promise = std::make_shared<std::promise<HttpResponse>>();
    if (auto refused = service_->refuse(request)) {
      promise->set_value(*refused);
    } else {
      service_->handle(request,
                       [promise](const MakeResponse& make) { promise->set_value(make()); });
    }
    return promise->get_future();
  }
  HttpResponse ask(const HttpRequest& request) { return begin(request).get(); }
  HttpResponse post(const std::string& path, const std::string& body) {
    return ask({.method = "POST", .path = path, .body = body});
  }
  // The body of an answer with that status.
  nlohmann::json answer(const std::string& path, const nlohmann::json& body, int status = 200) {
    const HttpResponse response = post(path, body.dump());
    EXPECT_EQ(response.status, status) << response.body;
    return nlohmann::json::parse(response.body);
  }
  // What is wrong.
  std::string error(const std::string& path, const std::string& body, int status) {
    const HttpResponse response = post(path, body);
    EXPECT_EQ(response.status, status) << response.body;
    const auto json = nlohmann::json::parse(response.body);
    EXPECT_EQ(json.at("error"), json.at("message"));
    return json.at("error");
  }
  HttpResponse get(const std::string& path) { return ask({.path = path}); }

  Service& service() { return *service_; }
  JobQueue& queue() { return queue_; }
  // The same checkpoint without a store; of another type, with values that it computes each time.
  Predictor& plain() { return plain_; }
  Predictor& predictor() { return predictor_; }
  const TemporaryFolder& folder() const { return folder_; }

 private:
  static Predictor load(const TemporaryFolder& folder, const ServedOptions& options) {
    return Predictor::load(write_checkpoint(folder / "c", options.checkpoint), Precision::kFp32,
                           DeviceKind::kCpu);
  }

  const ServedOptions options_;
  TemporaryFolder folder_;
  Predictor predictor_, plain_;
  JobQueue queue_;
  ServeMetrics metrics_;
  std::optional<Service> service_;
  std::thread worker_;
};

}  // namespace lait
