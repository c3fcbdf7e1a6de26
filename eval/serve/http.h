// A request and its answer, as the service sees them: no sockets, no library.
#pragma once
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace lait {

struct HttpRequest {
  std::string method = "GET";
  std::string path = {};           // without what follows "?"
  std::string authorization = {};  // the header; "": there is none
  std::string body = {};
  // The body was longer than the limit; it is not here.
  bool is_too_long = false;
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

}  // namespace lait
