// lait-serve as a user runs it: a process, its port, its signals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/serve/process.h"

namespace lait {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST_F(Serve, AnswersAsLaitPredict) {
  const std::string c = checkpoint();
  const Process server(folder_.path(), {"--checkpoint", c, "--cache", path("store")});
  const json out = server.post("/rerank", {{"query", "am bn"}, {"texts", {"co", "dp am"}}});
  const auto lines =
      lines_of(run(predict(c, write("in.jsonl", R"({"segments": ["am bn", "co"]})"
                                                "\n"
                                                R"({"segments": ["am bn", "dp am"]})")))
                   .out);
  for (const json& line : out) {
    EXPECT_EQ(line.at("score"), json::parse(lines.at(line.at("index").get<size_t>())).at("score"));
  }
  EXPECT_EQ(server.post("/predict", {{"segments", {"am bn", "co"}}}), json::parse(lines[0]));
  const Reply metrics = server.get("/metrics");
  EXPECT_THAT(metrics.body, HasSubstr("lait_segments_total{source=\"memory\"} 2\n"));
  EXPECT_THAT(metrics.body, HasSubstr("lait_segments_total{source=\"computed\"} 3\n"));
  EXPECT_THAT(metrics.header("content-type"), HasSubstr("version=0.0.4"));
  EXPECT_EQ(server.get("/nothing").status, 404);
  EXPECT_EQ(server.client().ask("PUT", "/rerank", "{}").status, 405);
  EXPECT_EQ(server.client().ask("HEAD", "/health").status, 200);
  // What the library finds is counted, too.
  RawClient client = server.client();
  client.send("nonsense\r\n\r\n");
  EXPECT_THAT(json::parse(client.reply().body).at("error").get<std::string>(),
              HasSubstr("expected HTTP/1.1"));
  EXPECT_THAT(server.get("/metrics").body,
              HasSubstr("lait_requests_total{path=\"other\",status=\"400\"} 1\n"));
}

// Passages are in the store, queries are not.
TEST_F(Serve, StoresPassagesAlone) {
  const std::string c = checkpoint();
  const std::string store = path("store");
  {
    Process server(folder_.path(), {"--checkpoint", c, "--cache", store, "--cache-bytes", "1GB"});
    server.post("/rerank", {{"query", "am bn"}, {"texts", {"co", "dp am"}}});
    EXPECT_EQ(server.stop(SIGTERM), 143);
  }
  const Process server(folder_.path(), {"--checkpoint", c, "--cache", store});
  server.post("/rerank", {{"query", "am bn"}, {"texts", {"co", "dp am"}}});
  const std::string metrics = server.get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("lait_segments_total{source=\"store\"} 2\n"));
  EXPECT_THAT(metrics, HasSubstr("lait_segments_total{source=\"computed\"} 1\n"));
}

TEST_F(Serve, BodiesThatAreTooLongAreRefused) {
  const Process server(folder_.path(), {"--checkpoint", checkpoint(), "--max-body", "1KB"});
  EXPECT_EQ(server.client().ask("POST", "/rerank", std::string(100000, ' ')).status, 413);
  EXPECT_EQ(server.get("/health").status, 200);
}

// One thread parses and sends; another computes.
TEST_F(Serve, OthersAreAnsweredWhileItParsesAndComputes) {
  const Process server(folder_.path(), {"--checkpoint", checkpoint(), "--queue", "2"});
  std::string body = "{\"texts\": [\"am\"";
  while (body.size() < 3900000) body += ",\"am bn co dp eq\"";
  const std::string request = request_text("POST", "/rerank", body + "]}");
  std::atomic<bool> ends = false;
  std::vector<std::thread> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back([&] {
      RawClient client = server.client();
      while (!ends) {
        client.send(request);
        EXPECT_EQ(client.reply().status, 422);  // no query
      }
    });
  }
  double longest = 0;
  for (int i = 0; i < 50; ++i) {
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(server.get("/health").status, 200);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    longest = std::max(longest, seconds.count());
  }
  ends = true;
  for (std::thread& client : clients) client.join();
  RecordProperty("longest_seconds", std::to_string(longest));
}

// Requests that had come are answered, and then the process ends.
TEST_F(Serve, SigtermLetsRequestsEnd) {
  Process server(folder_.path(), {"--checkpoint", checkpoint(), "--max-documents", "5000"});
  json texts = json::array();
  for (uint32_t i = 0; i < 4000; ++i) {
    std::string text;
    for (uint32_t word = 0; word < 20; ++word) text += tiny_word(i * (word + 1) + i / 144) + " ";
    texts.push_back(text);
  }
  const std::string body = json{{"query", "am"}, {"texts", texts}}.dump();
  std::atomic<bool> is_answered = false;
  std::thread client([&] {
    const Reply reply = server.client().ask("POST", "/rerank", body);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.header("connection"), "close");
    EXPECT_EQ(json::parse(reply.body).size(), 4000u);
    is_answered = true;
  });
  bool is_busy = false;
  while (!is_busy && !is_answered) {
    is_busy = server.get("/metrics").body.find("lait_model_busy 1") != std::string::npos;
  }
  EXPECT_TRUE(is_busy) << "the request was too small";
  EXPECT_EQ(server.stop(SIGTERM), 143);
  client.join();
  EXPECT_TRUE(is_answered);
}

TEST_F(Serve, AStoreThatCannotBeWrittenIsOnlyRead) {
  const std::string c = checkpoint();
  const Process server(folder_.path(), {"--checkpoint", c, "--cache", path("store")},
                       {.most_file_bytes = 8192});
  const Process plain(folder_ / "c", {"--checkpoint", c});
  for (uint32_t round = 0; round < 3; ++round) {
    json texts = json::array();
    for (uint32_t i = 0; i < 50; ++i) texts.push_back(tiny_word(i) + " " + tiny_word(round));
    const json body{{"query", "am"}, {"texts", texts}};
    EXPECT_EQ(server.post("/rerank", body), plain.post("/rerank", body));
  }
  EXPECT_THAT(server.log(), HasSubstr("the store is only read"));
}

TEST_F(Serve, SigintEndsIt) {
  Process server(folder_.path(), {"--checkpoint", checkpoint()});
  RawClient idle = server.client(), slow = server.client();
  slow.send("GET /heal");
  EXPECT_EQ(server.get("/health").status, 200);
  EXPECT_EQ(server.stop(SIGINT), 130);
}

TEST_F(Serve, TheApiKeyIsNeeded) {
  const Process server(folder_.path(), {"--checkpoint", checkpoint()}, {.api_key = "se%63ret+"});
  EXPECT_EQ(server.get("/health").status, 200);
  const Reply refused = server.get("/info");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.header("www-authenticate"), "Bearer");
  EXPECT_EQ(server.get("/info", "authorization: bearer se%63ret+\r\n").status, 200);
  EXPECT_EQ(server.get("/info", "Authorization: Bearer secret+\r\n").status, 401);
  // A body without the key is not read.
  RawClient client = server.client();
  client.send("POST /rerank HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
  EXPECT_EQ(client.reply().status, 401);
  EXPECT_TRUE(client.is_closed());
}

TEST_F(Serve, MistakesAreNamed) {
  const std::string c = checkpoint();
  const Process server(folder_.path(), {"--checkpoint", c});
  const auto error = [&](const std::string& more) {
    const ShellResult result = run("./lait-serve --precision fp32 " + more);
    EXPECT_EQ(result.code, 2) << result.err;
    return result.err;
  };
  EXPECT_THAT(error("--checkpoint '" + c + "' --port " + std::to_string(server.port())),
              HasSubstr("Address already in use; another process does"));
  EXPECT_THAT(error("--checkpoint '" + c + "' --port 0 --host 192.0.2.1"),
              HasSubstr("--host 192.0.2.1 --port 0: cannot listen there"));
  EXPECT_THAT(error("--checkpoint '" + c + "' --score neutral"), HasSubstr("no labels"));
  EXPECT_THAT(error(""), HasSubstr("--checkpoint: expected"));
  EXPECT_THAT(error("--checkpoint '" + c + "' --memory 18446744073709551615"),
              HasSubstr("--memory"));
  EXPECT_THAT(error("--checkpoint '" + path("none") + "'"), HasSubstr(path("none")));
  const ShellResult key = run("LAIT_API_KEY= ./lait-serve --checkpoint '" + c + "'");
  EXPECT_EQ(key.code, 2);
  EXPECT_THAT(key.err, HasSubstr("LAIT_API_KEY: expected a key"));
}

}  // namespace
}  // namespace lait
