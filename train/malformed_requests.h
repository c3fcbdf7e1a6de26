// Requests that a server must refuse.
#pragma once
#include <cstdint>
#include <random>
#include <string>

#include "eval/bench/http_client.h"

namespace lait {

struct MalformedRequest {
  std::string method = "POST", path = "/rerank";
  std::string body = {};
  // Not empty: the request as it is sent, and the rest is not used.
  std::string bytes = {};
};
// One of many kinds: no HTTP, wrong JSON, no UTF-8, fields that are missing or of wrong types,
// unknown paths and methods.
MalformedRequest malformed_request(std::mt19937_64& random);

// Those that got no 4xx, and what the first of them was.
struct NotRefused {
  int64_t count = 0;
  std::string first = {};
};
NotRefused send_malformed(uint16_t port, int64_t count);

}  // namespace lait
