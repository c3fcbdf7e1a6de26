// A client of one server on this machine, for benchmarks: it asks, and waits for the answer.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace lait {

struct HttpAnswer {
  int status = 0;
  std::string body = {};
};

class HttpClient {
 public:
  explicit HttpClient(uint16_t port);
  ~HttpClient();

  // Over one connection, made anew when the server closed it. Throws std::runtime_error if there is
  // no answer within ten minutes.
  HttpAnswer ask(const std::string& method, const std::string& path, const std::string& body = {});
  // The same with these bytes as the request.
  HttpAnswer send(const std::string& bytes);

 private:
  struct Connection;
  template <typename Write>
  HttpAnswer exchange(const std::string& name, const Write& write);
  void connect();

  const uint16_t port_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace lait
