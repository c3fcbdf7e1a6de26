// The sockets of a service: HTTP/1.1 by cpp-httplib, a thread for each open connection.
#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include "eval/serve/service.h"

namespace lait {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;  // 0: any free one
  // Connections that are served at once; others wait.
  size_t threads = 64;
  size_t max_body_bytes = 4000000;
};

class HttpServer {
 public:
  // From now on connections are taken, but nothing is answered before run(). Throws UserError if
  // the address cannot be used.
  HttpServer(Service& service, const HttpServerOptions& options);
  ~HttpServer();

  int port() const { return port_; }
  std::string url() const;  // "http://127.0.0.1:8080"
  // Returns after stop(), when all requests that had come are answered.
  void run();
  // From another thread. No effect before run() has begun.
  void stop();

 private:
  struct Sockets;
  std::unique_ptr<Sockets> sockets_;
  std::string host_;
  int port_ = 0;
};

}  // namespace lait
