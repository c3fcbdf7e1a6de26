// The endpoints, without sockets: their answers, and the scores, which are the Predictor's to the
// bit, whatever is computed together.
#include "eval/serve/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/base/error_of.h"
#include "tests/serve/served.h"

namespace lait {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<std::string> some_texts(uint32_t begin, uint32_t count) {
  std::vector<std::string> out;
  for (uint32_t i = begin; i < begin + count; ++i)
    out.push_back(tiny_word(i * 7) + " " + tiny_word(i) + " bn");
  return out;
}

TEST(Service, TeiRerankHasThePredictorsScoresInTheirOrder) {
  Served served;
  const auto texts = some_texts(0, 40);
  const json out =
      served.answer("/rerank", {{"query", "am bn"}, {"texts", texts}, {"return_text", true}});
  ASSERT_EQ(out.size(), 40u);
  double last = 2;
  for (const json& line : out) {
    const std::string& text = texts[line.at("index").get<size_t>()];
    EXPECT_EQ(line.at("text"), text);
    EXPECT_EQ(line.at("score").get<double>(), served.plain().predict({"am bn", text}).score);
    EXPECT_LE(line.at("score").get<double>(), last);
    last = line.at("score");
  }
  EXPECT_FALSE(served.answer("/rerank", {{"query", "a"}, {"texts", {"b"}}})[0].contains("text"));
}

TEST(Service, RawScoresAreLogits) {
  Served served;
  const json body{{"query", "am"}, {"texts", some_texts(0, 9)}, {"raw_scores", true}};
  for (const json& line : served.answer("/rerank", body)) {
    const std::vector<Example> pair{
        {.segments = {"am", some_texts(0, 9)[line.at("index").get<size_t>()]}}};
    EXPECT_EQ(line.at("score").get<float>(), served.plain().outputs(pair)->values.item<float>());
  }
}

TEST(Service, CohereRerank) {
  Served served;
  json body{{"model", "any"},
            {"query", "am bn"},
            {"documents", json::array({"co", {{"text", "dp am"}}, "eq", "fr co"})},
            {"top_n", 2},
            {"return_documents", true},
            {"max_tokens_per_doc", 4096}};
  for (const char* version : {"1", "2"}) {
    const json out = served.answer(std::string("/v") + version + "/rerank", body);
    EXPECT_EQ(out.at("model"), "any");
    EXPECT_TRUE(out.at("id").is_string());
    EXPECT_EQ(out.at("meta").at("api_version").at("version"), version);
    ASSERT_EQ(out.at("results").size(), 2u);
    const std::vector<std::string> texts{"co", "dp am", "eq", "fr co"};
    for (const json& line : out.at("results")) {
      const std::string& text = texts[line.at("index").get<size_t>()];
      EXPECT_EQ(line.at("document").at("text"), text);
      EXPECT_EQ(line.at("relevance_score").get<double>(),
                served.plain().predict({"am bn", text}).score);
    }
  }
}

// The scores are those of the texts that are left, whatever the store has of the whole ones.
TEST(Service, DocumentsAreCutToTheTokensThatAreAskedFor) {
  for (const SegmentFormat format : {SegmentFormat::kStandalone, SegmentFormat::kPair}) {
    const bool is_pair = format == SegmentFormat::kPair;
    Served served({.checkpoint = {.independent_layers = is_pair ? 0 : 2,
                                  .format = format,
                                  .pooling = is_pair ? Pooling::kCls : Pooling::kClsSegments,
                                  .head = HeadKind::kRelevance}});
    const std::vector<std::string> texts{"am bn co dp eq", "am  bn, co", "am", ""},
        cut{"am bn", "am  bn", "am", ""};
    json body{{"query", "am bn co dp"}, {"documents", texts}, {"return_documents", true}};
    served.answer("/v2/rerank", body);
    body["max_tokens_per_doc"] = 2;
    const json out = served.answer("/v2/rerank", body);
    EXPECT_FALSE(out.at("meta").contains("warnings"));
    for (const json& line : out.at("results")) {
      const auto i = line.at("index").get<size_t>();
      EXPECT_EQ(line.at("document").at("text"), texts[i]);
      EXPECT_EQ(line.at("relevance_score").get<double>(),
                served.plain().predict({"am bn co dp", cut[i]}).score);
    }
  }
}

TEST(Service, AClassifierRanksByALabel) {
  const TinyOptions classifier{.independent_layers = 2};
  Served served({.checkpoint = classifier, .service = {.score_label = "neutral"}});
  for (const json& line :
       served.answer("/rerank", {{"query", "am"}, {"texts", some_texts(0, 5)}})) {
    const std::string text = some_texts(0, 5)[line.at("index").get<size_t>()];
    EXPECT_EQ(line.at("score").get<float>(),
              static_cast<float>(served.plain().predict({"am", text}).probabilities[1]));
  }
  Served without({.checkpoint = classifier});
  EXPECT_THAT(without.error("/rerank", R"({"query": "a", "texts": ["b"]})", 422),
              HasSubstr("--score and one of {entails, neutral, refutes}"));
  EXPECT_THAT(
      error_of([&] { Served({.checkpoint = classifier, .service = {.score_label = "nothing"}}); }),
      HasSubstr("one of {entails, neutral, refutes}, got 'nothing'"));
}

TEST(Service, PredictIsALineOfLaitPredict) {
  Served served({.checkpoint = {.independent_layers = 3}});
  const Prediction expected = served.plain().predict({"am bn", "co"});
  const json one = served.answer("/predict", {{"id", 7}, {"segments", {"am bn", "co"}}});
  EXPECT_EQ(one.at("id"), 7);
  EXPECT_EQ(one.at("label"), expected.label);
  for (size_t k = 0; k < kTinyLabels.size(); ++k) {
    EXPECT_EQ(one.at("scores").at(kTinyLabels[k]).get<float>(),
              static_cast<float>(expected.probabilities[k]));
  }
  const json many = served.answer(
      "/predict", {{"instances", json::array({json{{"segments", {"am bn", "co"}}, {"id", 7}},
                                              json{{"segments", {"co", "am"}}}})}});
  EXPECT_EQ(many.at("predictions").size(), 2u);
  EXPECT_EQ(many.at("predictions")[0], one);
}

TEST(Service, ARegressionHasItsOwnScore) {
  Served served({.checkpoint = {.independent_layers = 2, .head = HeadKind::kRegression}});
  const json out = served.answer("/rerank", {{"query", "am"}, {"texts", {"bn"}}});
  EXPECT_EQ(out[0].at("score").get<float>(),
            static_cast<float>(served.plain().predict({"am", "bn"}).score));
}

TEST(Service, PairModelsAreServedWithoutValues) {
  Served served({.checkpoint = {.format = SegmentFormat::kPair,
                                .pooling = Pooling::kCls,
                                .head = HeadKind::kRelevance}});
  const auto texts = some_texts(3, 20);
  for (const json& line : served.answer("/rerank", {{"query", "am"}, {"texts", texts}})) {
    EXPECT_EQ(line.at("score").get<double>(),
              served.plain().predict({"am", texts[line.at("index").get<size_t>()]}).score);
  }
  EXPECT_THAT(served.error("/v1/segments", R"({"texts": ["a"]})", 422), HasSubstr("reads pairs"));
}

class Together : public testing::TestWithParam<ServedOptions> {};

TEST_P(Together, RequestsHaveTheSameScores) {
  Served served(GetParam());
  constexpr int kThreads = 8, kRequests = 25;
  std::vector<std::thread> clients;
  for (int t = 0; t < kThreads; ++t) {
    clients.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int r = 0; r < kRequests; ++r) {
        const std::string query = tiny_word(random() % 20);
        const auto texts = some_texts(random() % 100, 1 + random() % 30);
        std::vector<double> scores(texts.size());
        const json out = served.answer("/rerank", {{"query", query}, {"texts", texts}});
        for (const json& line : out) scores[line.at("index").get<size_t>()] = line.at("score");
        static std::mutex mutex;
        const std::lock_guard lock(mutex);
        std::vector<Example> pairs;
        for (const std::string& text : texts) pairs.emplace_back().segments = {query, text};
        Predictor& plain = served.plain();
        const Outputs outputs =
            plain.values() ? plain.valued_outputs(pairs)->outputs : *plain.outputs(pairs);
        const auto alone = plain.model()->head->predict(outputs);
        for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(scores[i], alone[i].score);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  const std::string metrics = served.get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("lait_requests_total{path=\"/rerank\",status=\"200\"} 200\n"));
  EXPECT_THAT(metrics, HasSubstr("lait_request_seconds_count{path=\"/rerank\"} 200\n"));
}

INSTANTIATE_TEST_SUITE_P(
    Service, Together,
    testing::Values(ServedOptions{.memory_bytes = 20000, .store = true},
                    ServedOptions{.memory_bytes = 20000, .store = true, .type = ValueType::kInt8},
                    ServedOptions{.memory_bytes = 20000, .type = ValueType::kInt8}),
    [](const auto& info) {
      return to_string(info.param.type) + (info.param.store ? "_store" : "_memory");
    });

TEST(Service, SegmentsAreComputedAhead) {
  for (const bool store : {false, true}) {
    Served served({.store = store});
    const json body{{"texts", some_texts(0, 10)}};
    json out = served.answer("/v1/segments", body);
    EXPECT_EQ(out.at("segments"), 10);
    EXPECT_EQ(out.at("computed"), 10);
    EXPECT_GT(out.at("computed_bytes"), 0);
    out = served.answer("/v1/segments", body);
    EXPECT_EQ(out.at("found"), 10);
    EXPECT_EQ(out.at("computed"), 0);
    served.answer("/rerank", {{"query", "no text of these"}, {"texts", some_texts(0, 10)}});
    EXPECT_THAT(served.get("/metrics").body,
                HasSubstr("lait_segments_total{source=\"computed\"} 11\n"));
  }
  Served nothing({.memory_bytes = 0});
  EXPECT_EQ(nothing.post("/v1/segments", R"({"texts": ["a"]})").status, 422);
}

TEST(Service, TextsThatAreTooLong) {
  TinyOptions tiny{.independent_layers = 2, .head = HeadKind::kRelevance, .max_tokens = 6};
  const std::string texts = R"("texts": ["am", "am bn co dp eq fr am"])";
  Served cuts({.checkpoint = tiny});
  EXPECT_EQ(cuts.post("/rerank", "{\"query\": \"a\", " + texts + "}").status, 200);
  EXPECT_THAT(cuts.error("/rerank", "{\"query\": \"a\", \"truncate\": false, " + texts + "}", 413),
              HasSubstr("texts[1]: expected at most 6 tokens"));
  const json cohere =
      cuts.answer("/v2/rerank", {{"query", "a"}, {"documents", {"am", "am bn co dp eq fr am"}}});
  EXPECT_THAT(cohere.at("meta").at("warnings")[0].get<std::string>(),
              HasSubstr("1 of 2 documents"));
  const json predicted = cuts.answer("/predict", {{"segments", {"am bn co dp eq fr am", "am"}}});
  EXPECT_EQ(predicted.at("truncated"), json::array({0}));
  tiny.on_overflow = OnOverflow::kError;
  Served strict({.checkpoint = tiny});
  EXPECT_THAT(strict.error("/rerank", "{\"query\": \"a\", " + texts + "}", 413),
              HasSubstr("texts[1]: expected"));
  EXPECT_THAT(strict.error("/rerank", R"({"query": "am bn co dp eq fr", "texts": ["a"]})", 413),
              HasSubstr("query: expected"));
  EXPECT_THAT(strict.error("/v1/segments", "{" + texts + "}", 413),
              HasSubstr("texts[1]: expected"));
  EXPECT_THAT(strict.error("/predict", R"({"segments": ["a", "am bn co dp eq fr"]})", 413),
              HasSubstr("segments: expected"));
}

// Without a worker, so that jobs stay in the queue.
TEST(Service, AFullQueueIsSaid) {
  Served served;
  served.stop();
  const HttpResponse response = served.post("/rerank", R"({"query": "a", "texts": ["b"]})");
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body, HasSubstr("the server stops"));
  EXPECT_THAT(response.headers, testing::ElementsAre(testing::Pair("Retry-After", "1")));
  JobQueue queue(1, 1 << 20);
  ServeMetrics metrics;
  Service service(served.predictor(), queue, metrics, {});
  const HttpRequest request{
      .method = "POST", .path = "/rerank", .body = R"({"query": "a", "texts": ["b"]})"};
  int status = 0;
  const auto answer = [&](const MakeResponse& make) { status = make().status; };
  service.handle(request, answer);
  EXPECT_EQ(status, 0);
  service.handle(request, answer);
  EXPECT_EQ(status, 429);
}

TEST(JobQueue, TakesWhatWaitsUpToSoManyTokens) {
  JobQueue queue(8, 1 << 20);
  for (const int64_t tokens : {5, 3, 9, 1}) {
    Job job;
    ASSERT_EQ(queue.push(job, tokens), JobQueue::Pushed::kYes);
  }
  EXPECT_EQ(queue.size(), 4u);
  EXPECT_EQ(queue.take(8).size(), 2u);
  EXPECT_EQ(queue.take(8).size(), 1u);  // larger than a batch
  queue.close();
  Job job;
  EXPECT_EQ(queue.push(job, 1), JobQueue::Pushed::kClosed);
  EXPECT_EQ(queue.take(8).size(), 1u);
  EXPECT_TRUE(queue.take(8).empty());
}

TEST(JobQueue, HasAsManyBytesAsItMay) {
  JobQueue queue(8, 10000);
  const auto push = [&](size_t bytes) {
    Job job{.kind = Job::Kind::kPairs, .texts = {std::string(bytes, 'a')}};
    const auto pushed = queue.push(job, 1);
    // It is the caller's if it was not taken.
    EXPECT_EQ(job.texts.empty(), pushed == JobQueue::Pushed::kYes);
    return pushed;
  };
  EXPECT_EQ(push(20000), JobQueue::Pushed::kYes);  // alone
  EXPECT_EQ(push(1), JobQueue::Pushed::kFull);
  EXPECT_EQ(queue.take(8).size(), 1u);
  EXPECT_EQ(push(4000), JobQueue::Pushed::kYes);
  EXPECT_EQ(push(4000), JobQueue::Pushed::kYes);
  EXPECT_EQ(push(4000), JobQueue::Pushed::kFull);
  queue.abandon();
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_TRUE(queue.take(8).empty());
}

TEST(Service, OtherEndpoints) {
  Served served({.service = {.model_name = "runs/x", .api_key = "secret"}});
  EXPECT_EQ(served.get("/health").body, R"({"status":"ok"})");
  EXPECT_EQ(served.get("/info").status, 401);
  const auto with_key = [&](const std::string& header) {
    return served.ask({.path = "/info", .authorization = header});
  };
  EXPECT_EQ(with_key("secret").status, 401);
  EXPECT_EQ(with_key("Bearer secreT").status, 401);
  EXPECT_EQ(with_key("Bearer secret!").status, 401);
  EXPECT_EQ(with_key("bearer secret").status, 200);
  EXPECT_EQ(with_key("Bearer%20secret").status, 401);
  const json info = json::parse(with_key("Bearer secret").body);
  EXPECT_EQ(info.at("model"), "runs/x");
  EXPECT_EQ(info.at("head"), "relevance");
  EXPECT_EQ(info.at("independent_layers"), 2);
  EXPECT_EQ(info.at("max_documents"), 1000);
}

}  // namespace
}  // namespace lait
