// How jobs are computed: in windows, each text once, with an answer for each job whatever happens
// to the others, and a store that is written afterwards.
#include "eval/serve/model_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/serve/served.h"

namespace lait {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<std::string> texts_of(uint32_t seed, size_t count) {
  std::mt19937 random(seed);
  std::vector<std::string> out(count);
  for (std::string& text : out) {
    for (uint32_t words = 1 + random() % 9; words > 0; --words)
      text += tiny_word(random() % 60) + " ";
  }
  return out;
}

// Windows and batches of any size give the bits of the predictor.
TEST(ModelWorker, WindowsChangeNothing) {
  for (const bool is_pair : {false, true}) {
    for (const WorkerOptions& worker :
         {WorkerOptions{.window_documents = 1}, WorkerOptions{.window_documents = 7},
          WorkerOptions{.window_bytes = 1, .window_text_bytes = 1},
          WorkerOptions{.batch_tokens = 1, .window_bytes = 20000, .window_text_bytes = 100}}) {
      Served served(
          {.checkpoint = {.independent_layers = is_pair ? 0 : 2,
                          .format = is_pair ? SegmentFormat::kPair : SegmentFormat::kStandalone,
                          .pooling = is_pair ? Pooling::kCls : Pooling::kClsSegments,
                          .head = HeadKind::kRelevance},
           .worker = worker,
           .memory_bytes = 30000});
      const auto texts = texts_of(1, 40);
      std::vector<std::future<HttpResponse>> answers;
      for (const char* query : {"am bn", "co", "am bn"}) {
        answers.push_back(served.begin(
            {.method = "POST",
             .path = "/rerank",
             .body = json{{"query", query}, {"texts", texts}, {"raw_scores", true}}.dump()}));
      }
      answers.push_back(served.begin({.method = "POST",
                                      .path = "/predict",
                                      .body = json{{"segments", {"co", texts[3]}}}.dump()}));
      const std::string queries[] = {"am bn", "co", "am bn"};
      for (size_t a = 0; a < 3; ++a) {
        for (const json& line : json::parse(answers[a].get().body)) {
          const std::vector<Example> pair{
              {.segments = {queries[a], texts[line.at("index").get<size_t>()]}}};
          EXPECT_EQ(line.at("score").get<float>(),
                    served.plain().outputs(pair)->values.item<float>());
        }
      }
      EXPECT_EQ(json::parse(answers[3].get().body).at("score").get<double>(),
                served.plain().predict({"co", texts[3]}).score);
    }
  }
}

TEST(ModelWorker, AQueryIsComputedOnce) {
  Served served({.memory_bytes = 0});
  served.answer("/rerank", {{"query", "am"}, {"texts", texts_of(1, 30)}});
  std::set<std::string> distinct;
  for (const std::string& text : texts_of(1, 30)) distinct.insert(text);
  EXPECT_EQ(served.predictor().values()->counts().computed, std::ssize(distinct) + 1);
}

// One that is too long for a model that says so.
TEST(ModelWorker, AJobThatFailsTakesNoOtherWithIt) {
  Served served({.checkpoint = {.independent_layers = 2,
                                .head = HeadKind::kRelevance,
                                .max_tokens = 6,
                                .on_overflow = OnOverflow::kError},
                 .worker = {.window_documents = 2}});
  std::vector<std::future<HttpResponse>> answers;
  for (int i = 0; i < 30; ++i) {
    const std::string text = i % 3 == 1 ? "am bn co dp eq fr am" : "am " + tiny_word(i);
    answers.push_back(
        served.begin({.method = "POST",
                      .path = "/rerank",
                      .body = json{{"query", "am"}, {"texts", {"bn", "co", text}}}.dump()}));
  }
  for (int i = 0; i < 30; ++i) {
    const HttpResponse response = answers[static_cast<size_t>(i)].get();
    EXPECT_EQ(response.status, i % 3 == 1 ? 413 : 200);
    if (i % 3 == 1) {
      EXPECT_THAT(response.body, HasSubstr("texts[2]: expected"));
    }
  }
}

TEST(ModelWorker, QueriesAreNotStored) {
  Served served({.store = true});
  served.answer("/rerank", {{"query", "am bn"}, {"texts", {"co", "dp"}}});
  served.answer("/predict", {{"segments", {"am co", "eq"}}});
  served.stop();
  const SegmentStore store(served.folder() / "store");
  EXPECT_EQ(store.num_records(), 3u);
}

// Not a full disk: the folder is gone, which is no WriteError.
TEST(ModelWorker, AStoreThatIsGoneIsOnlyRead) {
  Served served({.store = true});
  served.answer("/rerank", {{"query", "am bn"}, {"texts", {"co", "dp"}}});
  std::filesystem::remove_all(served.folder() / "store");
  for (const char* text : {"eq", "fr", "am"}) {
    const json out = served.answer("/rerank", {{"query", "am bn"}, {"texts", {text}}});
    EXPECT_EQ(out[0].at("score").get<double>(), served.plain().predict({"am bn", text}).score);
  }
  served.stop();
  EXPECT_FALSE(served.predictor().values()->writes());
}

}  // namespace
}  // namespace lait
