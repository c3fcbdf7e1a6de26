// The sockets of a service: HTTP/1.1 by Boost.Beast, any number of connections on one thread.
// Nothing that a client sends or leaves unsent takes memory or time without limit.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "eval/serve/http.h"

namespace lait {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;  // 0: any free one
  // Open at once; others get 503. Fewer, if the process may not have so many files (ulimit -n).
  size_t max_connections = 1024;
  size_t max_head_bytes = 16384;  // of a request, up to its body
  size_t max_body_bytes = 4000000;
  // Of bodies that are not whole yet, as announced, of all connections; beyond it 503.
  size_t max_bytes_being_read = 128000000;

  using Time = std::chrono::milliseconds;
  Time idle_time{60000};   // from an answer to the first byte of the next request
  Time head_time{10000};   // from a request's first byte to the end of its head
  Time body_time{30000};   // from there to the end of its body
  Time write_time{30000};  // for its answer
  // What a client sends after an answer that ends the connection is thrown away for so long: a
  // closed socket would answer it with a reset, and the client would not see why.
  Time linger_time{2000};
  // After stop(): for requests that have not wholly come, and for each answer.
  Time grace_time{5000};
};

class HttpServer {
 public:
  // From now on the system takes connections, but nothing is answered before run(). Throws
  // UserError if the address cannot be used.
  HttpServer(HttpHandler& handler, const HttpServerOptions& options);
  ~HttpServer();

  int port() const;
  std::string url() const;  // "http://127.0.0.1:8080"
  // On one thread. Asks should_stop, which may be null, 50 times a second. After that, or stop(),
  // no connections are taken but those that wait already; requests that have come, or come within
  // the grace time, are answered, and then it returns.
  void run(const std::function<bool()>& should_stop = {});
  // From another thread, also before run().
  void stop();
  // From another thread: run() returns at once, and answers that are still made go nowhere.
  void abort();

 private:
  struct Sockets;
  std::unique_ptr<Sockets> sockets_;
};

}  // namespace lait
