// T5 as users run it: statistics, a run from config.json and a vocabulary alone, predictions, and
// transformers, which reads what the run saves.
#include <gmock/gmock.h>

#include "lait/text/tokenizer.h"
#include "tests/text/tokenizer_oracle.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kWords[] = {"a", "cat", "sleeps", "runs", "the", "old", "dog", "house"};

// A hypothesis of the premise's words is entailed.
std::string lines(uint64_t seed, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    const auto word = [&](uint64_t n) {
      return std::string(kWords[(seed * 7 + i * (3 + n) + n * n) % std::size(kWords)]);
    };
    const bool entailed = i % 2 == 0;
    const std::string premise = word(0) + " " + word(1) + " " + word(2),
                      hypothesis = entailed ? word(1) : word(5) + " " + word(6);
    out += json{{"segments", {premise, hypothesis}},
                {"label", entailed ? "entailment" : "not_entailment"}}
               .dump() +
           "\n";
  }
  return out;
}

class T5Run : public TinyRun {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(oracle::transformers4_python())) return;
    const auto model = folder_ / "t5";
    std::filesystem::create_directory(model);
    std::filesystem::copy(tokenizer_oracle::t5_folder() / "small" / "spiece.model",
                          model / "spiece.model");
    json config{{"model_type", "t5"},
                {"is_encoder_decoder", true},
                {"vocab_size", 4096},
                {"d_model", 32},
                {"d_kv", 32},
                {"d_ff", 64},
                {"num_layers", 4},
                {"num_heads", 2},
                {"feed_forward_proj", "gated-gelu"},
                {"tie_word_embeddings", false},
                {"dropout_rate", 0.1},
                {"decoder_start_token_id", 0},
                {"eos_token_id", 1},
                {"pad_token_id", 0}};
    write_file(model / "config.json", config.dump());
    // Of the tokens that it has, so that transformers can decode whatever the model writes.
    config["vocab_size"] = load_tokenizer(model)->vocab_size();
    write_file(model / "config.json", config.dump());
    write_file(folder_ / "train.jsonl", lines(1, 64));
    write_file(folder_ / "validation.jsonl", lines(2, 12));
    write_file(folder_ / "a.yaml",
               "task: rte\nmodel: {path: " + path("t5") + ", init: random}\ndata: {train: " +
                   path("train.jsonl") + ", validation: " + path("validation.jsonl") +
                   "}\ntraining: {batch_size: 16, epochs: 2, optimizer: adafactor, threads: 1, "
                   "precision: fp32}\n");
  }
  std::vector<json> predictions(const std::string& options) {
    const ShellResult result =
        shell(program("lait-predict") + " --threads 1 --precision fp32 --checkpoint " +
              path("run") + " --input " + path("validation.jsonl") + " " + options);
    EXPECT_EQ(result.code, 0) << result.err;
    std::vector<json> out;
    std::istringstream text(result.out);
    for (std::string line; std::getline(text, line);) out.push_back(json::parse(line));
    EXPECT_EQ(out.size(), 12u);
    out.resize(12);
    return out;
  }
};

TEST_F(T5Run, StatCountsTokensWithTheirPrompts) {
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  const ShellResult result = shell(program("lait-data") + " stat --config " + path("a.yaml"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("train: 64 examples"));
  EXPECT_THAT(result.out, HasSubstr("saved with a cache"));
  // A premise with its prompt, and the end, is the longest segment.
  const auto tokenizer = load_tokenizer(folder_ / "t5");
  size_t longest = 0;
  LineReader reader(folder_ / "train.jsonl");
  while (const auto line = reader.next()) {
    std::vector<int32_t> ids;
    tokenizer->encode("rte sentence1: " + json::parse(*line)["segments"][0].get<std::string>(),
                      ids);
    longest = std::max(longest, ids.size() + 1);
  }
  EXPECT_THAT(result.out, HasSubstr("longest " + std::to_string(longest) + "\n"));
}

TEST_F(T5Run, TransformersReadsTheStockModel) {
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  const ShellResult result = train_into("run", "");
  ASSERT_EQ(result.code, 0) << result.err;
  oracle::run("t5_reload.py",
              path("run/best") + " " + path("validation.jsonl") + " " + path("expected.jsonl"),
              folder_ / "log.txt", "", oracle::transformers4_python());
  const std::vector<json> scored = predictions(""),
                          written = predictions("--generate --max-new-tokens 8");
  LineReader expected(folder_ / "expected.jsonl");
  for (size_t i = 0; i < scored.size(); ++i) {
    const json line = json::parse(*expected.next());
    for (const auto& [label, score] : line["scores"].items())
      EXPECT_NEAR(scored[i]["scores"][label].get<double>(), score.get<double>(), 1e-4) << i;
    EXPECT_EQ(written[i]["text"], line["text"]) << i;
  }
}

TEST_F(T5Run, SplitModelsPredictTextsAndLabels) {
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  const ShellResult result = train_into("run", "--set model.independent_layers=3");
  ASSERT_EQ(result.code, 0) << result.err;
  for (const json& line : predictions("")) {
    EXPECT_TRUE(line["label"] == "entailment" || line["label"] == "not_entailment");
    EXPECT_NEAR(
        line["scores"]["entailment"].get<double>() + line["scores"]["not_entailment"].get<double>(),
        1, 1e-6);
  }
  // Whatever the batch, to the letter.
  EXPECT_EQ(predictions("--generate"), predictions("--generate --batch-size 1"));
  // A model that has lost its way says so, as in every prediction.
  const auto weights = folder_ / "run/best/model.safetensors";
  std::string bytes = read_file(weights);
  const size_t data = 8 + *reinterpret_cast<const uint64_t*>(bytes.data());
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(data), bytes.end(), '\xff');  // NaN
  write_file(weights, bytes);
  for (const std::string how : {"", " --generate"}) {
    const ShellResult lost = shell(program("lait-predict") + " --checkpoint " + path("run") +
                                   " --input " + path("validation.jsonl") + how);
    EXPECT_EQ(lost.code, 2) << how;
    EXPECT_THAT(lost.err, HasSubstr("finite")) << how;
  }
}

// The peer trains and predicts with the same tokens and labels.
TEST_F(T5Run, BenchmarksRunBesideTransformers) {
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  for (const std::string command : {"train-step", "predict"}) {
    const ShellResult result =
        shell(program("lait-bench") + " " + command + " --config " + path("a.yaml") +
              " --independent-layers 0 --steps 1 --milliseconds 1 --python " +
              oracle::in_quotes(oracle::transformers4_python()) + " --json " + path("bench.json"));
    ASSERT_EQ(result.code, 0) << result.err;
    const json rows = json::parse(read_file(folder_ / "bench.json")).at("rows");
    ASSERT_EQ(rows.size(), 2u) << result.err;
    EXPECT_EQ(rows[1].at("impl"), "transformers");
    EXPECT_THAT(rows[1].at("variant").get<std::string>(),
                testing::AnyOf(testing::StartsWith("bf16"), testing::StartsWith("fp32")));
    EXPECT_GT(rows[1].at("examples_per_s").get<double>(), 0);
    EXPECT_GT(rows[1].at("peak_bytes").get<int64_t>(), 0);
  }
}

TEST_F(T5Run, OnlyAHeadThatWritesTextsGenerates) {
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  write_checkpoint(folder_ / "bert");
  const std::string predict = program("lait-predict") + " --checkpoint " + path("bert") +
                              " --input " + path("validation.jsonl");
  const ShellResult refused = shell(predict + " --generate");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--generate: the checkpoint's head is classifier"));
  EXPECT_EQ(shell(predict + " --max-new-tokens 4").code, 2);
}

}  // namespace
}  // namespace lait
