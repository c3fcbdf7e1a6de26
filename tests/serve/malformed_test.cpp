// What clients do wrong: each mistake is a 4xx that names its place, and none stops the server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "tests/serve/served.h"

namespace lait {
namespace {

using testing::HasSubstr;

TEST(Malformed, MistakesAreNamed) {
  Served served({.service = {.max_documents = 3}});
  const auto error = [&](const char* body, int status, const char* path = "/rerank") {
    return served.error(path, body, status);
  };
  EXPECT_THAT(error("", 400), HasSubstr("body: expected JSON"));
  EXPECT_THAT(error(R"({"query": )", 400), HasSubstr("at byte 11"));
  EXPECT_THAT(error("{\"query\": \"\xff\"}", 400), HasSubstr("body: expected UTF-8"));
  EXPECT_THAT(error(R"({"query": "a", "query": "b"})", 400), HasSubstr("each key once"));
  EXPECT_THAT(error("[1]", 422), HasSubstr("body: expected a JSON object, got [1]"));
  EXPECT_THAT(error("{}", 422), HasSubstr("query: expected a text, got nothing"));
  EXPECT_THAT(error(R"({"query": 3})", 422), HasSubstr("query: expected a text, got 3"));
  EXPECT_THAT(error(R"({"query": "a"})", 422), HasSubstr("texts: expected a list, got nothing"));
  EXPECT_THAT(error(R"({"query": "a", "texts": []})", 422), HasSubstr("at least one element"));
  EXPECT_THAT(error(R"({"query": "a", "texts": ["b", {}]})", 422),
              HasSubstr("texts[1]: expected a text, got {}"));
  EXPECT_THAT(error(R"({"query": "a", "texts": ["b"], "truncate": 1})", 422),
              HasSubstr("truncate: expected true or false, got 1"));
  EXPECT_THAT(error(R"({"query": "a", "texts": ["b", "b", "b", "b"]})", 413),
              HasSubstr("texts: expected at most 3 elements, got 4"));
  EXPECT_THAT(
      error(("{\"query\": \"" + std::string(65537, 'a') + "\", \"texts\": [\"b\"]}").c_str(), 413),
      HasSubstr("query: expected at most 65536 bytes, got 65537"));
  EXPECT_THAT(error(R"({"query": "a", "documents": [1]})", 422, "/v1/rerank"),
              HasSubstr("documents[0]: expected a text or {\"text\""));
  EXPECT_THAT(error(R"({"query": "a", "documents": [{}]})", 422, "/v2/rerank"),
              HasSubstr("documents[0].text: expected a text, got nothing"));
  for (const char* top : {"0", "-1", "1.5", "\"1\"", "18446744073709551615"}) {
    EXPECT_THAT(
        served.error("/v2/rerank",
                     std::string(R"({"query": "a", "documents": ["b"], "top_n": )") + top + "}",
                     422),
        HasSubstr("top_n: expected a whole number from 1"));
  }
  EXPECT_THAT(error(R"({"segments": "a"})", 422, "/predict"),
              HasSubstr("segments: expected a list of texts, got \"a\""));
  EXPECT_THAT(error(R"({"instances": [{"segments": ["a", "b"]}, {"segments": ["a", 1]}]})", 422,
                    "/predict"),
              HasSubstr("instances[1].segments[1]: expected a text, got 1"));
  EXPECT_THAT(error(R"({"segments": []})", 422, "/predict"), HasSubstr("segments: expected"));
  EXPECT_THAT(error(R"({"segments": ["a", "b"], "groups": [0, 2]})", 422, "/predict"),
              HasSubstr("groups: expected a number for each segment"));
  EXPECT_THAT(error(R"({"segments": ["a", "b"], "score": 1})", 422, "/predict"),
              HasSubstr("score: is a field of the answer"));
  EXPECT_THAT(error(R"({"segments": ["a", "b", "c", "d", "e"]})", 413, "/predict"),
              HasSubstr("segments: expected fewer"));
  EXPECT_THAT(
      error(R"({"instances": [{"segments": ["a", "b", "c"]}, {"segments": ["a", "b", "c"]}]})", 413,
            "/predict"),
      HasSubstr("instances[1].segments: expected fewer"));
  EXPECT_THAT(error("{}", 404, "/no"), HasSubstr("expected one of {/health, "));
  EXPECT_THAT(error("{}", 404, "/\xff"), HasSubstr("got '/\xEF\xBF\xBD'"));
  const HttpResponse method = served.get("/rerank");
  EXPECT_EQ(method.status, 405);
  EXPECT_THAT(method.headers, testing::ElementsAre(testing::Pair("Allow", "POST")));
  EXPECT_EQ(served.post("/health", "").status, 405);
}

TEST(Malformed, DeepAndHugeValuesAreRefused) {
  Served served;
  for (const std::string& body :
       {std::string(100000, '['), std::string(100000, '{'),
        "{\"query\": " + std::string(400, '9') + "}", std::string("{\"query\": 1e999}"),
        std::string("{\"query\": \"\\ud800\"}"), std::string("{\0}", 3)}) {
    const int status = served.post("/rerank", body).status;
    EXPECT_TRUE(status == 400 || status == 422) << status << " " << body.substr(0, 30);
  }
}

// The parser keeps the keys' order, for which it looks through all of them.
TEST(Malformed, ManyKeysTakeNoTime) {
  Served served;
  std::string body = "{\"k\": 1";
  for (int i = 0; body.size() < 4000000; ++i) body += ",\"k" + std::to_string(i) + "\":1";
  EXPECT_THAT(served.error("/rerank", body + "}", 400), HasSubstr("at most 128 keys"));
  // The most that it takes.
  std::string object = "{\"k\": 1", all = "[";
  for (int i = 1; i < 128; ++i) object += ",\"k" + std::to_string(i) + "\":1";
  while (all.size() < 4000000) all += object + "},";
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(served.post("/rerank", "{\"texts\": " + all + "1]}").status, 422);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  RecordProperty("seconds", std::to_string(seconds.count()));
  EXPECT_LT(seconds.count(), 30);  // it was 160
}

// Valid requests with bytes changed, cut out and added.
TEST(Malformed, TenThousandMutationsAreAnswered) {
  Served served;
  const std::pair<const char*, std::string> valid[] = {
      {"/rerank",
       R"({"query": "am", "texts": ["bn", "co"], "raw_scores": false, "truncate": true})"},
      {"/v1/rerank", R"({"query": "am", "documents": ["bn", {"text": "co"}], "top_n": 1})"},
      {"/predict", R"({"instances": [{"segments": ["am", "bn"], "groups": [0, 1], "id": 1}]})"},
      {"/v1/segments", R"({"texts": ["am", "bn"]})"}};
  constexpr int kRequests = 10000;
  int refused = 0;
  for (uint32_t seed = 0; seed < kRequests; ++seed) {
    std::mt19937 random(seed);
    const auto& [path, body] = valid[seed % std::size(valid)];
    std::string text = body;
    for (uint32_t changes = 1 + random() % 4; changes > 0 && !text.empty(); --changes) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          text.erase(at, 1 + random() % 8);
          break;
        case 2:
          text.insert(at, 1, "{}[]\",:0e-\\\xc3"[random() % 12]);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 20));
      }
    }
    const HttpResponse response = served.post(path, text);
    EXPECT_TRUE(response.status == 200 || (response.status >= 400 && response.status < 500))
        << "seed " << seed << ": " << response.status << " " << response.body;
    EXPECT_TRUE(nlohmann::json::accept(response.body)) << "seed " << seed;
    refused += response.status == 200 ? 0 : 1;
  }
  EXPECT_GT(refused, kRequests / 2);
  EXPECT_EQ(served.post("/rerank", valid[0].second).status, 200);
}

}  // namespace
}  // namespace lait
