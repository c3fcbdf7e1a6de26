// A request, its answer, and who answers, without sockets: what http_server and service share.
#pragma once
#include <algorithm>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lait {

struct HttpRequest {
  std::string method = "GET";
  std::string path = {};           // without what follows "?"
  std::string authorization = {};  // the header as it came; "": there is none
  std::string body = {};
};

struct HttpResponse {
  int status = 200;
  std::string type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// The status and the text of an answer that says what is wrong: "where: expected …, got …".
struct HttpError : std::runtime_error {
  HttpError(int status, const std::string& what) : std::runtime_error(what), status(status) {}
  int status;
};

// Whether two ASCII words differ in nothing but case.
inline bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// Makes an answer, on the server's thread. Does not throw.
using MakeResponse = std::function<HttpResponse()>;
// Takes the answer to one request: once, from any thread.
using SendResponse = std::function<void(MakeResponse)>;

// All functions are called on the server's thread, and may not wait. None throws.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // The answer to a request of which only the head is there, if its body need not be read: there is
  // no such path, the key is missing.
  virtual std::optional<HttpResponse> refuse(const HttpRequest& head) = 0;
  // Calls `answer`, now or later. REQUIRES: refuse() had no answer.
  virtual void handle(HttpRequest request, SendResponse answer) = 0;
  // The answer to what is no request, for the server's statistics, too.
  virtual HttpResponse fault(const HttpError& error) = 0;
};

}  // namespace lait
