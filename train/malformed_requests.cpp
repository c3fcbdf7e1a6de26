#include "train/malformed_requests.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

namespace lait {
namespace {

class Draws {
 public:
  explicit Draws(std::mt19937_64& engine) : engine_(engine) {}
  size_t below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(engine_);
  }
  template <typename T>
  const T& one_of(const std::vector<T>& list) {
    return list[below(list.size())];
  }

 private:
  std::mt19937_64& engine_;
};

nlohmann::json well_formed(Draws& random, const std::string& path) {
  const std::string list = path == "/rerank" ? "texts" : "documents";
  nlohmann::json out{{"query", "a claim"}, {list, nlohmann::json::array({"a passage", "another"})}};
  if (random.below(2) == 0) out[path == "/rerank" ? "raw_scores" : "return_documents"] = true;
  return out;
}

// No value of that field.
nlohmann::json wrong_value(Draws& random, const std::string& field) {
  if (field == "query")
    return random.one_of<nlohmann::json>(
        {nlohmann::json(1), nlohmann::json(), nlohmann::json::array({"q"}), nlohmann::json(true)});
  if (field == "top_n")
    return random.one_of<nlohmann::json>(
        {nlohmann::json(-1), nlohmann::json(1.5), nlohmann::json("x"), nlohmann::json::object()});
  return random.one_of<nlohmann::json>(
      {nlohmann::json("text"), nlohmann::json(1), nlohmann::json::object(), nlohmann::json::array(),
       nlohmann::json::array({1, "text"}), nlohmann::json::array({nlohmann::json()}),
       nlohmann::json::array({nlohmann::json{{"title", "no text"}}})});
}

// A request whose head is not HTTP's.
std::string no_http(Draws& random, const std::string& body) {
  std::string noise;
  while (noise.size() < 1 + random.below(40)) noise += static_cast<char>(random.below(256));
  const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
  const std::string head = random.one_of<std::string>({
      "\x16\x03\x01" + noise + "\r\n\r\n",  // TLS
      "POST /re\x01rank HTTP/1.1\r\nHost: a\r\n" + length,
      "POST /rerank\r\n" + length,
      "POST  /rerank HTTP/1.1\r\nHost: a\r\n" + length,
      "POST /rerank HTTP/1.1\r\nHost a\r\n" + length,
      "POST /rerank HTTP/1.1\r\nHost: a\r\nX\x01: b\r\n" + length,
      "POST /rerank HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n",
      "POST /rerank HTTP/1.1\r\nHost: a\r\n" + length + "Content-Length: 1\r\n",
      "POST /rerank HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + length,
      "POST /rerank HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n",
  });
  return head + "\r\n" + body;
}

}  // namespace

MalformedRequest malformed_request(std::mt19937_64& engine) {
  Draws random(engine);
  MalformedRequest out;
  out.path = random.one_of<std::string>({"/rerank", "/v1/rerank", "/v2/rerank"});
  const nlohmann::json good = well_formed(random, out.path);
  const std::string text = good.dump();
  const std::string list = out.path == "/rerank" ? "texts" : "documents";
  switch (random.below(9)) {
    case 0:  // cut off
      out.body = text.substr(0, random.below(text.size()));
      break;
    case 1: {  // no UTF-8, in a text
      out.body = text;
      out.body.insert(text.find("claim"), 1, static_cast<char>(0x80 + random.below(0x40)));
      break;
    }
    case 2: {
      std::vector<std::string> fields{"query", list};
      if (out.path != "/rerank") fields.emplace_back("top_n");
      const std::string& field = random.one_of(fields);
      nlohmann::json wrong = good;
      wrong[field] = wrong_value(random, field);
      out.body = wrong.dump();
      break;
    }
    case 3: {  // a field is missing
      nlohmann::json wrong = good;
      wrong.erase(random.below(2) == 0 ? "query" : list);
      out.body = wrong.dump();
      break;
    }
    case 4:  // more than one value, or no object
      out.body =
          random.one_of<std::string>({text + text, "[" + text + "]", "null", "1e999", "\"\""});
      break;
    case 5: {  // deep
      const size_t depth = 1 + random.below(20000);
      out.body = "{\"query\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
      break;
    }
    case 6:
      out.bytes = no_http(random, text);
      break;
    case 7:
      out.path += "/" + std::to_string(random.below(1000));
      out.body = text;
      break;
    default:
      out.method = random.one_of<std::string>({"GET", "PUT", "DELETE", "PATCH"});
      out.body = out.method == "GET" ? "" : text;
      break;
  }
  return out;
}

NotRefused send_malformed(uint16_t port, int64_t count) {
  NotRefused out;
  std::mt19937_64 random(1);
  HttpClient client(port);
  for (int64_t i = 0; i < count; ++i) {
    const MalformedRequest request = malformed_request(random);
    const HttpAnswer answer = request.bytes.empty()
                                  ? client.ask(request.method, request.path, request.body)
                                  : client.send(request.bytes);
    if (answer.status >= 400 && answer.status < 500) continue;
    if (out.count++ > 0) continue;
    out.first = fmt::format("{} {} {}: {} {}", request.method, request.path,
                            (request.body + request.bytes).substr(0, 200), answer.status,
                            answer.body.substr(0, 200));
  }
  return out;
}

}  // namespace lait
