// Extractive question answering from training to a scored file of predictions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "lait/base/json.h"
#include "lait/predict/predictor.h"
#include "tests/oracles/oracle.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

class SquadRun : public TinyRun {
 protected:
  // A question names a word; the answer is the word behind it in the passage. A question whose word
  // the passage does not have has no answer.
  static Json document(uint32_t seed, int passages) {
    std::mt19937 random(seed);
    Json paragraphs = Json::array();
    for (int p = 0; p < passages; ++p) {
      std::vector<uint32_t> words;
      for (int w = 0; w < 30; ++w) words.push_back(random() % 144);
      std::string context;
      std::vector<size_t> begins;
      for (const uint32_t word : words) {
        begins.push_back(context.size());
        context += tiny_word(word) + " ";
      }
      Json questions = Json::array();
      for (int q = 0; q < 4; ++q) {
        const size_t asked = random() % (words.size() - 1);
        const bool none = q == 3;
        const uint32_t word = none ? 0 : words[asked];
        Json answers = Json::array();
        if (!none)
          answers.push_back(
              {{"text", tiny_word(words[asked + 1])}, {"answer_start", begins[asked + 1]}});
        questions.push_back(
            {{"id", std::to_string(seed) + "-" + std::to_string(p) + "-" + std::to_string(q)},
             {"question", tiny_word(word)},
             {"answers", answers},
             {"is_impossible", none}});
      }
      paragraphs.push_back({{"context", context}, {"qas", questions}});
    }
    return {{"version", "v2.0"}, {"data", {{{"title", "T"}, {"paragraphs", paragraphs}}}}};
  }
  void write_squad(const std::string& model, const std::string& data) {
    write_checkpoint(folder_ / "model");
    write_file(folder_ / "train.json", document(1, 12).dump());
    write_file(folder_ / "validation.json", document(2, 6).dump(1));
    write_file(folder_ / "test.json", document(3, 6).dump());
    write_file(folder_ / "a.yaml",
               "task: squad\nmodel: {path: " + path("model") + ", " + model +
                   "}\ndata: {train: " + path("train.json") + ", test: " + path("test.json") +
                   ", max_segment_tokens: 24, window_overlap: 6" + data +
                   "}\ntraining: {epochs: 2, batch_size: 16, learning_rate: 1e-3, threads: 1, "
                   "precision: fp32}\n");
  }
  std::string validation() { return ", validation: " + path("validation.json"); }
};

TEST_F(SquadRun, TrainsEvaluatesAndPredicts) {
  write_squad("independent_layers: 2", validation());
  const ShellResult result = train_into("run", "");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("windows of the passages of 48 questions"));
  const Json report = read_json<Json>(folder_ / "run/report.json");
  EXPECT_EQ(report["test"]["examples"], 24);
  const Json& metrics = report["test"]["metrics"];
  ASSERT_TRUE(metrics.contains("answer_f1") && metrics.contains("answer_exact"));
  EXPECT_THAT(read_file(folder_ / "run/best/lait.yaml"), HasSubstr("no_answer_threshold: "));
  EXPECT_THAT(read_file(folder_ / "run/best/README.md"),
              HasSubstr("pipeline_tag: question-answering"));

  // lait-eval finds the same scores.
  const ShellResult evaluated =
      shell(program("lait-eval") + " --checkpoint " + path("run") + " --data " + path("test.json") +
            " --report " + path("out") + " --threads 1");
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  const Json row = read_json<Json>(folder_ / "out/report.json");
  EXPECT_THAT(row.dump(), HasSubstr(metrics["answer_f1"]["value"].dump()));

  // The official script, too, of the predictions as it reads them.
  const std::string predict = program("lait-predict") + " --checkpoint " + path("run") +
                              " --input " + path("test.json") + " --threads 1";
  const ShellResult answers = shell(predict + " --answers --output " + path("answers.json"));
  ASSERT_EQ(answers.code, 0) << answers.err;
  const ShellResult lines = shell(predict + " --output " + path("lines.jsonl"));
  ASSERT_EQ(lines.code, 0) << lines.err;
  const Json object = read_json<Json>(folder_ / "answers.json");
  Json no_answer;
  LineReader reader(folder_ / "lines.jsonl");
  const std::string context = document(3, 6)["data"][0]["paragraphs"][0]["context"];
  int64_t count = 0;
  while (const auto text = reader.next()) {
    const Json line = Json::parse(*text);
    const std::string id = line["id"], answer = line["answer"];
    EXPECT_EQ(object[id], answer);
    no_answer[id] = line["no_answer"];
    EXPECT_EQ(answer.empty(), line["start"].is_null());
    if (++count <= 4 && !answer.empty()) {
      EXPECT_EQ(context.substr(line["start"], line["end"].get<size_t>() - size_t{line["start"]}),
                answer);
    }
  }
  EXPECT_EQ(count, 24);
  EXPECT_EQ(object.size(), 24u);
  // One question, from a program.
  const std::string asked = document(3, 6)["data"][0]["paragraphs"][0]["qas"][0]["question"];
  EXPECT_EQ(Predictor::load(folder_ / "run").predict({asked, context}).label, object["3-0-0"]);
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  write_file(folder_ / "no_answer.json", no_answer.dump());
  std::string arguments;
  for (const char* name : {"test.json", "answers.json", "no_answer.json", "scores.json"})
    arguments += oracle::in_quotes(folder_ / name) + " ";
  oracle::run("squad_scores.py", arguments, folder_ / "log.txt", "",
              oracle::transformers4_python());
  const auto scores = oracle::read_json(folder_ / "scores.json");
  EXPECT_NEAR(scores["mean_f1"].get<double>(), metrics["answer_f1"]["value"].get<double>(), 1e-12);
  EXPECT_NEAR(scores["mean_exact"].get<double>(), metrics["answer_exact"]["value"].get<double>(),
              1e-12);
}

TEST_F(SquadRun, AStoppedRunResumesWithItsThreshold) {
  write_squad("independent_layers: 0", validation());
  ASSERT_EQ(train_into("whole", "").code, 0);
  ASSERT_EQ(train_into("part", "").code, 0);
  // As if it had stopped behind its first epoch.
  const auto steps = shell("ls " + path("part/checkpoints") + " | sort -t- -k2 -n");
  const std::string first = steps.out.substr(0, steps.out.find('\n'));
  ASSERT_EQ(shell("cd " + path("part") +
                  " && rm -r report.json best && mv checkpoints all && mkdir checkpoints && "
                  "mv all/" +
                  first + " checkpoints/ && rm -r all")
                .code,
            0);
  const ShellResult resumed = train_into("part", "--resume");
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(metrics_without_times(folder_ / "part"), metrics_without_times(folder_ / "whole"));
  EXPECT_TRUE(same_bytes(folder_ / "part/best/lait.yaml", folder_ / "whole/best/lait.yaml"));
}

TEST_F(SquadRun, SaysThatTheThresholdStays0WithoutValidationData) {
  write_squad("independent_layers: 4", "");
  const ShellResult result = train_into("run", "");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the threshold by which a question has no answer stays 0"));
  EXPECT_THAT(read_file(folder_ / "run/best/lait.yaml"), HasSubstr("no_answer_threshold: 0\n"));
}

// transformers reads a stock model as it is, and its answers are ours. Without validation data "no
// answer" needs to be likelier only, as there.
TEST_F(SquadRun, TransformersPipelineGivesTheSameAnswers) {
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  write_squad("independent_layers: 0, segment_format: pair", "");
  // Trained on questions with answers only, or the model would always prefer none.
  Json answerable = document(1, 12);
  for (Json& paragraph : answerable["data"][0]["paragraphs"]) paragraph["qas"].erase(3);
  write_file(folder_ / "train.json", answerable.dump());
  const ShellResult result =
      train_into("run", "--set data.max_segment_tokens=64 --set training.epochs=4");
  ASSERT_EQ(result.code, 0) << result.err;
  const ShellResult lines =
      shell(program("lait-predict") + " --checkpoint " + path("run") + " --input " +
            path("test.json") + " --threads 1 --output " + path("lines.jsonl"));
  ASSERT_EQ(lines.code, 0) << lines.err;
  oracle::run("qa_pipeline.py",
              oracle::in_quotes(folder_ / "run/best") + " " +
                  oracle::in_quotes(folder_ / "test.json") + " " +
                  oracle::in_quotes(folder_ / "theirs.json"),
              folder_ / "log.txt", "", oracle::transformers4_python());
  const auto theirs = oracle::read_json(folder_ / "theirs.json");
  LineReader reader(folder_ / "lines.jsonl");
  int answered = 0, questions = 0;
  while (const auto text = reader.next()) {
    const Json line = Json::parse(*text);
    const auto& their = theirs.at(line["id"].get<std::string>());
    EXPECT_EQ(line["answer"].get<std::string>(), their["answer"].get<std::string>()) << *text;
    ++questions;
    if (line["start"].is_null()) continue;
    ++answered;
    EXPECT_EQ(line["start"].get<int>(), their["start"].get<int>()) << *text;
    EXPECT_EQ(line["end"].get<int>(), their["end"].get<int>()) << *text;
  }
  EXPECT_EQ(questions, 24);
  EXPECT_GE(answered, 6);
}

// Where the student is the teacher, nothing is left to learn: the rows of all windows meet.
TEST_F(SquadRun, LearnsATeachersSpans) {
  write_squad("independent_layers: 2", validation());
  ASSERT_EQ(train_into("teacher", "").code, 0);
  const std::string distill =
      "--set training.learning_rate=0 --set training.log_every=1 --set "
      "training.distill.weight=1 --set training.distill.teacher=" +
      path("teacher") + " --set training.distill.data=" + path("validation.json");
  const auto losses = [&](const std::string& run, const std::string& more) {
    const ShellResult result = train_into(run, distill + more);
    EXPECT_EQ(result.code, 0) << result.err;
    std::vector<double> out;
    for (const std::string& line : metrics_without_times(folder_ / run)) {
      if (const Json json = Json::parse(line); json["split"] == "train")
        out.push_back(json["loss"]);
    }
    return out;
  };
  EXPECT_THAT(losses("same", " --set training.distill.init=teacher"),
              testing::Each(testing::Lt(1e-6)));
  EXPECT_THAT(losses("other", " --set training.share_segments=false"),
              testing::Each(testing::Gt(1e-3)));
  EXPECT_THAT(train_into("x", distill + " --set data.max_segment_tokens=30").err,
              HasSubstr("windows of passages need the student's data.max_segment_tokens, 30, got "
                        "24"));
  EXPECT_THAT(train_into("x", distill + " --set training.distill.recombine=1").err,
              HasSubstr("training.distill.recombine: expected a task"));
}

TEST_F(SquadRun, RefusesWhatDoesNotFit) {
  write_squad("independent_layers: 0", validation());
  const auto problem = [&](const std::string& more) { return train_into("run", more).err; };
  EXPECT_THAT(problem("--set model.pooling=mean"), HasSubstr("model.pooling: the head span reads"));
  EXPECT_THAT(problem("--set model.head=classifier"),
              HasSubstr("task squad has spans of a passage, so the head must be span"));
  EXPECT_THAT(problem("--set output.hf_code=true"), HasSubstr("does not compute the head span"));
  EXPECT_THAT(problem("--set task=mnli"),
              HasSubstr("data.window_overlap: task mnli has no windows; leave it out"));
}

}  // namespace
}  // namespace lait
