// A server without a model: its answers are what it was asked. Only tests see this.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "eval/serve/http_server.h"
#include "tests/serve/raw_client.h"

namespace lait {

class EchoServer : public HttpHandler {
 public:
  explicit EchoServer(const HttpServerOptions& options = {}, bool runs = true)
      : server_(*this, with_any_port(options)), port_(server_.port()) {
    if (runs) run();
  }
  ~EchoServer() override {
    release();
    server_.stop();
    join();
  }
  void run() {
    thread_ = std::thread([this] { server_.run(); });
  }
  void stop() { server_.stop(); }
  // Until the server has ended by itself.
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  std::optional<HttpResponse> refuse(const HttpRequest& head) override {
    if (head.path != "/none") return std::nullopt;
    return HttpResponse{.status = 404};
  }
  void handle(HttpRequest request, SendResponse answer) override {
    const MakeResponse make = [request] {
      if (request.path == "/large") return HttpResponse{.body = std::string(100000000, 'x')};
      return HttpResponse{.type = "text/plain",
                          .body = request.method + " " + request.path + " " + request.body};
    };
    const std::lock_guard lock(mutex_);
    requests_.push_back(request.method + " " + request.path);
    changed_.notify_all();
    if (request.path == "/wait" && !is_released_) {
      waiting_.push_back([answer, make] { answer(make); });
    } else {
      answer(make);
    }
  }
  HttpResponse fault(const HttpError& error) override {
    const std::lock_guard lock(mutex_);
    faults_.push_back(error.status);
    changed_.notify_all();
    return {.status = error.status, .body = error.what()};
  }

  // Answers what waits.
  void release() {
    const std::lock_guard lock(mutex_);
    is_released_ = true;
    for (const auto& answer : waiting_) answer();
    waiting_.clear();
  }
  // Waits until so many requests have come, and until there was a fault.
  void wait_for_requests(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return requests_.size() >= count; });
  }
  void wait_for_fault(int status) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !faults_.empty() && faults_.back() == status; });
  }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  int port() const { return port_; }
  RawClient client() const { return RawClient(port_); }

 private:
  static HttpServerOptions with_any_port(HttpServerOptions options) {
    options.port = 0;
    return options;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> requests_;
  std::vector<int> faults_;
  std::vector<std::function<void()>> waiting_;
  bool is_released_ = false;
  HttpServer server_;
  const int port_;
  std::thread thread_;
};

}  // namespace lait
