// --set takes its value as the shell gave it; a value that is missing, doubled or beyond float is
// said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/base/error.h"
#include "lait/config/field_values.h"
#include "lait/config/hf_names.h"
#include "lait/config/read.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kBase[] = "task: sick\nmodel:\n  path: m\n";

std::string error_of(const std::string& text, const std::vector<Override>& overrides = {}) {
  try {
    parse_config(text, "a.yaml", overrides);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(Override, TakesTheValueAsTheShellGaveIt) {
  for (const std::string text :
       {"runs/a #1", "a: b", " a ", "'a'", "\"a\"", "a\\nb", "[a]",  "{a: b}", "[a", "null",
        "~",         "true", "- a", "&a",  "!a",    "|",     "a\tb", "a=b",    "#",  "007"}) {
    EXPECT_EQ(parse_config(kBase, "a.yaml", {"output.dir=" + text}).output.dir, text);
  }
  for (const std::string text : {"a #1.tsv", "a: b", "'a'", "[a", "b]", "null", "- a", "a, b"}) {
    EXPECT_THAT(parse_config(kBase, "a.yaml", {"data.train=" + text}).data.train,
                ElementsAre(text));
  }
}

TEST(Override, BracketsMakeListsAndMaps) {
  EXPECT_THAT(parse_config(kBase, "a.yaml", {"data.train=[a, 'b, c']"}).data.train,
              ElementsAre("a", "b, c"));
  EXPECT_EQ(parse_config(kBase, "a.yaml", {"training={seed: 7, epochs: 2}"}).training.seed, 7u);
  EXPECT_EQ(parse_config(kBase, "a.yaml", {"data.train=[]"}).data.train.size(), 0u);
}

// A name in brackets is a name where only one can be given.
TEST(Override, AColumnsNameMayHaveBrackets) {
  const DataColumns columns = parse_config(kBase, "a.yaml",
                                           {"data.columns.label=[gold]", "data.columns.id={key}",
                                            "data.columns.segments=[a, b]"})
                                  .data.columns;
  EXPECT_EQ(columns.label, "[gold]");
  EXPECT_EQ(columns.id, "{key}");
  EXPECT_THAT(columns.segments, ElementsAre("a", "b"));
}

TEST(Override, AnEmptySectionTakesItsInnerOnesAlong) {
  const std::string text = std::string(kBase) +
                           "data: {train: a, columns: {segments: [a], label: b, id: c}}\n"
                           "output: {dir: x}\n";
  EXPECT_EQ(parse_config(text, "a.yaml", {"data="}).data, DataConfig());
  const Config c = parse_config(text, "a.yaml", {"data.columns="});
  EXPECT_EQ(c.data.columns, DataColumns());
  EXPECT_THAT(c.data.train, ElementsAre("a"));
}

TEST(Override, AnEmptyValueGoesBackToTheDefault) {
  const std::string text = std::string(kBase) +
                           "  independent_layers: 2\n  pooling: cls\ndata: {train: a}\n"
                           "training: {steps: 10, batch_size: 8, warmup: 0.5}\noutput: {dir: x}\n";
  const Config c = parse_config(
      text, "a.yaml",
      {"model.independent_layers=", "model.pooling=", "data.train=", "training=", "output.dir="});
  EXPECT_FALSE(c.model.independent_layers);
  EXPECT_FALSE(c.model.pooling);
  EXPECT_TRUE(c.data.train.empty());
  EXPECT_EQ(c.training, TrainingConfig());
  EXPECT_EQ(c.output.dir, "");
  // It takes no other key's place.
  EXPECT_EQ(parse_config(text, "a.yaml", {"training.epochs="}).training.steps, 10);
  EXPECT_EQ(error_of(text, {"task="}),
            "--set task=: task: expected a name, since it has no default");
}

TEST(Override, IsNamedByItsOption) {
  EXPECT_THAT(error_of(kBase, {Override("training.seed=x", "--sweep")}),
              HasSubstr("--sweep training.seed=x: training.seed: expected a whole number"));
}

TEST(EmptyValue, IsAnErrorInAFile) {
  EXPECT_EQ(error_of(std::string(kBase) + "  pooling:\ntraining:\n  epochs:\n  seed: ~\n"),
            "a.yaml:4: model.pooling: expected a value, got nothing; give one, or remove the key\n"
            "a.yaml:6: training.epochs: expected a value, got nothing; give one, or remove the "
            "key\n"
            "a.yaml:7: training.seed: expected a value, got nothing; give one, or remove the key");
  EXPECT_EQ(error_of(std::string(kBase) + "training:\n"), "") << "a section without keys";
}

TEST(DottedKeys, AreDuplicatesOfNestedOnes) {
  EXPECT_EQ(parse_config(std::string(kBase) + "training.epochs: 4\n", "a.yaml", {}).training.epochs,
            4.0);
  const std::string nested = "training: {epochs: 5}\n", dotted = "training.epochs: 3\n";
  for (const std::string& text : {nested + dotted, dotted + nested}) {
    EXPECT_EQ(error_of(kBase + text),
              "a.yaml:5: the key training.epochs appears twice, first in line 4; remove one");
  }
  EXPECT_THAT(error_of(kBase, {"training={seed: 1, seed: 2}"}),
              HasSubstr("the key training.seed appears twice; remove one"));
}

TEST(QuotedNumbers, AreSaidToBeQuoted) {
  EXPECT_THAT(error_of(std::string(kBase) + "training: {epochs: \"3\"}\n"),
              HasSubstr("training.epochs: expected a number above 0 and at most 1e6, got '3' in "
                        "quotes, which make it a text; remove them"));
  EXPECT_THAT(error_of(kBase, {"training.seed='3'"}),
              HasSubstr("got ''3''; its quotes came through the shell: remove them"));
  EXPECT_THAT(error_of(std::string(kBase) + "training: {epochs: \"many\"}\n"),
              HasSubstr("got 'many'"));
}

TEST(Numbers, AreBoundedToWhatFloatHolds) {
  for (const char* key :
       {"learning_rate", "head_learning_rate_factor", "weight_decay", "epsilon", "max_grad_norm"}) {
    const std::string set = "training." + std::string(key) + "=";
    EXPECT_THAT(error_of(kBase, {set + "1e39"}),
                HasSubstr("it is computed in float, which would make it inf (float holds 1e-45 to "
                          "3.4028235e38)"))
        << key;
    EXPECT_THAT(error_of(kBase, {set + "1e-46"}), HasSubstr("which would make it 0 (")) << key;
    EXPECT_EQ(error_of(kBase, {set + "1e-30"}), "") << key;
  }
  EXPECT_THAT(error_of(kBase, {"training.beta1=0.999999999"}),
              HasSubstr("expected a number of at least 0 and below 1, got '0.999999999'; it is "
                        "computed in float, which would make it 1 ("));
  EXPECT_EQ(error_of(kBase, {"training.learning_rate=0", "training.beta1=0.99999"}), "");
  // Products.
  EXPECT_EQ(
      error_of(kBase, {"training.learning_rate=1e20", "training.head_learning_rate_factor=1e20"}),
      "--set training.head_learning_rate_factor=1e20: training.head_learning_rate_factor: times "
      "learning_rate is inf in float, in which it is computed (float holds 1e-45 to "
      "3.4028235e38); choose other values");
  EXPECT_THAT(
      error_of(kBase, {"training.learning_rate=1e-30", "training.head_learning_rate_factor=1e-30"}),
      HasSubstr("times learning_rate is 0 in float"));
  EXPECT_THAT(error_of(kBase, {"training.learning_rate=1e20", "training.weight_decay=1e20"}),
              HasSubstr("training.weight_decay: times the learning rate is inf in float"));
}

// What T5 was trained with, unless the config says something else; AdamW's own keys mean nothing.
TEST(Adafactor, HasDefaultsOfItsOwn) {
  const auto read = [](std::vector<Override> overrides) {
    overrides.emplace_back("training.optimizer=adafactor");
    return parse_config(kBase, "a.yaml", overrides).training;
  };
  const TrainingConfig plain = read({});
  EXPECT_EQ(plain.learning_rate, 1e-3);
  EXPECT_EQ(plain.schedule, LearningRateSchedule::kConstant);
  EXPECT_EQ(plain.weight_decay, 0);
  EXPECT_EQ(plain.max_grad_norm, 0);
  EXPECT_EQ(plain.warmup, 0.0);
  const TrainingConfig given =
      read({"training.learning_rate=1e-2", "training.schedule=linear", "training.weight_decay=0.1",
            "training.max_grad_norm=2", "training.warmup_steps=7"});
  EXPECT_EQ(given.learning_rate, 1e-2);
  EXPECT_EQ(given.schedule, LearningRateSchedule::kLinear);
  EXPECT_EQ(given.weight_decay, 0.1);
  EXPECT_EQ(given.max_grad_norm, 2);
  EXPECT_EQ(given.warmup_steps, 7);
  EXPECT_FALSE(given.warmup);
  EXPECT_EQ(error_of(kBase, {"training.optimizer=adafactor", "training.beta2=0.9"}),
            "--set training.beta2=0.9: training.beta2: is AdamW's, and training.optimizer is "
            "adafactor; leave it out");
}

TEST(LexicalBias, HasALearningRateOfItsOwn) {
  const char* rate = "training.lexical_bias_learning_rate=0.01";
  EXPECT_EQ(error_of(kBase, {rate}),
            "--set training.lexical_bias_learning_rate=0.01: training.lexical_bias_learning_rate: "
            "is that of model.lexical_bias, which is false; set it, or leave this out");
  EXPECT_EQ(error_of(kBase, {"model.lexical_bias=true", rate}), "");
  EXPECT_THAT(
      error_of(kBase, {"model.lexical_bias=true", "training.lexical_bias_learning_rate=1e39"}),
      HasSubstr("it is computed in float, which would make it inf"));
}

TEST(HfNames, AreTranslatedOrExplained) {
  EXPECT_EQ(error_of(std::string(kBase) + "training:\n  num_train_epochs: 3\n  fp16: true\n"
                                          "  report_to: none\nmax_seq_length: 128\n"),
            "a.yaml:5: unknown key training.num_train_epochs (here it is training.epochs)\n"
            "a.yaml:6: unknown key training.fp16 (here it is training.precision: bf16 or fp32; "
            "there is no fp16)\n"
            "a.yaml:7: unknown key training.report_to (there is none here: the run's metrics.jsonl "
            "has every number)\n"
            "a.yaml:8: unknown key max_seq_length (here it is data.max_segment_tokens: of a "
            "segment, or of the pair at independent_layers: 0; with special tokens)");
  const std::vector<std::string> keys = field_names();
  for (const HfName& entry : hf_names()) {
    if (*entry.key) {
      EXPECT_THAT(keys, testing::Contains(entry.key)) << entry.name;
    }
    EXPECT_THAT(keys,
                testing::Not(testing::Contains(testing::EndsWith(std::string(".") + entry.name))));
  }
}

TEST(DidYouMean, IsSilentWhereNothingIsNear) {
  const std::vector<std::string> models{"all-MiniLM-L6-v2", "google-bert/bert-base-uncased"};
  EXPECT_EQ(nearest("all-minilm-l6-v2", models), "all-MiniLM-L6-v2");
  EXPECT_EQ(nearest("all-MinLM-L6-v2", models), "all-MiniLM-L6-v2");
  EXPECT_EQ(nearest("google-bert/bert-large-uncased", models), "");
  EXPECT_EQ(nearest("fp", {"dir", "keep"}), "");
}

}  // namespace
}  // namespace lait
