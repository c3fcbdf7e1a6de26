// Exact match, F1 and the threshold of "no answer" against transformers' squad_metrics, which is
// SQuAD's official script.
#include "eval/answer_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "eval/intervals.h"
#include "lait/base/files.h"
#include "lait/data/example_reader.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/letters_tokenizer.h"
#include "tests/oracles/oracle.h"

namespace lait {
namespace {

using Json = nlohmann::json;

TEST(AnswerMetrics, NormalizeAsTheOfficialScript) {
  const std::pair<const char*, const char*> cases[] = {
      {"The Cat", "cat"},
      {"  a  b\tan c ", "b c"},
      {"U.S.A.", "usa"},
      {"theatre", "theatre"},
      {"the-cat", "thecat"},
      {"the–cat", "–cat"},
      {"cat–a–dog", "cat– –dog"},
      {"ÉCOLE \u00A0de l'AN", "école de lan"},
      {"a", ""},
      {"a_n", ""},
      {"東京 the 😀", "東京 😀"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(normalized_answer(text), expected) << text;
}

TEST(AnswerMetrics, TheBestCorrectAnswerCounts) {
  const std::vector<std::string> correct{"the red house", "house"};
  EXPECT_EQ(answer_scores("House!", correct).exact, 1);
  EXPECT_EQ(answer_scores("a house", correct).f1, 1);
  EXPECT_NEAR(answer_scores("red", correct).f1, 2.0 / 3, 1e-12);
  EXPECT_EQ(answer_scores("red", correct).exact, 0);
  EXPECT_EQ(answer_scores("", correct).f1, 0);
  EXPECT_EQ(answer_scores("", {}).f1, 1);
  EXPECT_EQ(answer_scores("the", {}).exact, 1);
  EXPECT_EQ(answer_scores("x", {}).f1, 0);
}

// Of so many of the passage's questions: their examples, as one document's, and predictions that
// are right, nearly right, wrong, or none.
struct Case {
  std::vector<Example> examples;
  Json document;
  std::vector<Answer> answers;
};

Case real_case(const std::string& file, size_t count) {
  Case out;
  SplitReader reader(find_task("squad"), {file}, {});
  std::mt19937 random(3);
  Json paragraphs = Json::array();
  while (out.examples.size() < count) {
    auto example = reader.next();
    const std::string& passage = example->segments[1];
    Json answers = Json::array();
    std::vector<std::string> texts;
    for (const TextSpan& span : std::get<SpanLabel>(example->label).any_of) {
      texts.push_back(passage.substr(span.begin, span.end - span.begin));
      answers.push_back({{"text", texts.back()}});
    }
    paragraphs.push_back({{"qas", {{{"id", example->id}, {"answers", answers}}}}});
    const std::string gold = texts.empty() ? "nothing" : texts[random() % texts.size()];
    const std::string made[] = {gold,
                                "The " + gold + "!",
                                gold + " and an other",
                                "wrong",
                                passage.substr(0, passage.find(' ', 20)),
                                "a"};
    out.answers.push_back({.text = made[random() % std::size(made)],
                           .no_answer = static_cast<double>(random() % 1000) / 100 - 5});
    out.examples.push_back(std::move(*example));
  }
  out.document = {{"data", {{{"paragraphs", paragraphs}}}}};
  return out;
}

TEST(AnswerMetrics, EqualTheOfficialScriptOn1000Predictions) {
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  const char* data = std::getenv("LAIT_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "LAIT_TEST_DATA names the folder of real data";
  const Case made = real_case(std::string(data) + "/squad/dev-v2.0-half.json.gz", 1000);
  const LettersTokenizer tokenizer;
  const Dataset dataset(made.examples, tokenizer,
                        {.layout = letters_layout(), .max_tokens = 8000, .window_overlap = 0});
  ASSERT_EQ(dataset.size(), 1000);

  const TemporaryFolder folder;
  const auto scores_of = [&](double threshold) {
    Json predictions, no_answer;
    for (size_t i = 0; i < made.answers.size(); ++i) {
      const Answer& answer = made.answers[i];
      predictions[made.examples[i].id] = answer.is_none(threshold) ? "" : answer.text;
      no_answer[made.examples[i].id] = answer.no_answer;
    }
    write_file(folder / "data.json", made.document.dump());
    write_file(folder / "predictions.json", predictions.dump());
    write_file(folder / "no_answer.json", no_answer.dump());
    std::string arguments;
    for (const char* name : {"data.json", "predictions.json", "no_answer.json", "scores.json"})
      arguments += oracle::in_quotes(folder / name) + " ";
    oracle::run("squad_scores.py", arguments, folder / "log.txt", "",
                oracle::transformers4_python());
    return oracle::read_json(folder / "scores.json");
  };
  const double best = best_threshold(made.answers, dataset);
  // Everything answered, and with the threshold.
  for (const double threshold : {1e9, best}) {
    const auto scores = scores_of(threshold);
    const auto outcomes = answer_outcomes(made.answers, dataset, threshold, "test");
    for (size_t i = 0; i < outcomes.size(); ++i) {
      const std::string& id = made.examples[i].id;
      EXPECT_EQ(outcomes[i].exact, scores["exact"][id].get<double>()) << id;
      EXPECT_DOUBLE_EQ(outcomes[i].f1, scores["f1"][id].get<double>()) << id;
    }
    const auto metrics = compute_metrics({"answer_exact", "answer_f1"}, outcomes);
    EXPECT_NEAR(metrics.at("answer_exact"), scores["mean_exact"].get<double>(), 1e-12);
    EXPECT_NEAR(metrics.at("answer_f1"), scores["mean_f1"].get<double>(), 1e-12);
    if (threshold == best) continue;
    const auto of_best = answer_outcomes(made.answers, dataset, best, "test");
    EXPECT_NEAR(compute_metrics({"answer_f1"}, of_best).at("answer_f1"),
                scores["best_f1"].get<double>(), 0.01);
    EXPECT_GE(compute_metrics({"answer_f1"}, of_best).at("answer_f1"), metrics.at("answer_f1"));
  }
}

Dataset small_dataset(const std::vector<Label>& labels) {
  std::vector<Example> examples;
  for (const Label& label : labels)
    examples.push_back({.segments = {"q", "one two"}, .label = label});
  const LettersTokenizer tokenizer;
  return Dataset(examples, tokenizer,
                 {.layout = letters_layout(), .max_tokens = 100, .window_overlap = 0});
}

TEST(AnswerMetrics, TheThresholdHasTheBestF1) {
  const Label one = SpanLabel{{{1, 0, 3}}}, none = SpanLabel{};
  const auto answers = [](const std::vector<double>& no_answer) {
    std::vector<Answer> out;
    for (const double value : no_answer) out.push_back({.text = "one", .no_answer = value});
    return out;
  };
  EXPECT_EQ(best_threshold(answers({-1, 2, 1, 3}), small_dataset({one, none, one, none})), 1);
  // All questions have answers: none is held back.
  EXPECT_GE(best_threshold(answers({-1, 2}), small_dataset({one, one})), 1e6);
  // None has: all are held back.
  EXPECT_LT(best_threshold(answers({-1, 2}), small_dataset({none, none})), -1);
  // Equal ones are answered together: two right, one wrong.
  EXPECT_EQ(best_threshold(answers({1, 1, 1}), small_dataset({one, none, one})), 1);
  EXPECT_THAT(
      error_of([&] { answer_outcomes(answers({1}), small_dataset({NoLabel()}), 0, "test"); }),
      testing::HasSubstr("test: question 1: evaluation needs its answers, got none"));
}

// Questions of a passage are drawn together.
TEST(AnswerMetrics, IntervalsAreOverPassages) {
  std::vector<Outcome> same, other;
  for (int32_t i = 0; i < 200; ++i) {
    const double right = i % 40 < 20;
    same.push_back({.query = i, .passage = i / 20, .exact = right, .f1 = right});
    other.push_back({.query = i, .passage = i, .exact = right, .f1 = right});
  }
  const Metric& f1 = find_metric("answer_f1");
  const Interval wide = metric_interval(f1, same), narrow = metric_interval(f1, other);
  EXPECT_EQ(wide.value, 0.5);
  EXPECT_GT(wide.high - wide.low, 2 * (narrow.high - narrow.low));
}

}  // namespace
}  // namespace lait
