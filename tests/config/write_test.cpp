// What is written reads back to the same config, for random configs with hostile text.
#include "lait/config/write.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "lait/base/error.h"
#include "lait/config/field_values.h"
#include "lait/config/fields.h"
#include "lait/config/numbers.h"
#include "lait/config/read.h"

namespace lait {
namespace {

using testing::HasSubstr;

// Fills every field with a random value that its limits allow; pairs that exclude each other are
// left to the caller.
class RandomFields {
 public:
  explicit RandomFields(uint32_t seed) : random_(seed) {}

  template <class T>
  void field(const char*, T& value, const Limits& limits, const char*) {
    fill(value, limits);
  }
  uint32_t draw(uint32_t n) { return random_() % n; }

 private:
  template <std::integral T>
  void fill(T& value, const Limits& limits) {
    const double min = std::isfinite(limits.min) ? limits.min : 0;
    const uint64_t bits = (uint64_t{random_()} << 32 | random_()) >> draw(64);
    value = static_cast<T>(bits);
    if (std::isfinite(limits.max))
      value =
          static_cast<T>(min) + static_cast<T>(bits % static_cast<uint64_t>(limits.max - min + 1));
  }
  void fill(double& value, const Limits& limits) {
    do {
      value = draw(4) == 0 ? draw(2)
                           : std::ldexp(std::uniform_real_distribution<double>(0, 1)(random_),
                                        static_cast<int>(draw(80)) - 60);
    } while (!within(value, limits));
  }
  template <class E>
  requires std::is_enum_v<E>
  void fill(E& value, const Limits&) {
    value = names_of<E>()[draw(static_cast<uint32_t>(names_of<E>().size()))].second;
  }
  void fill(ThreadCount& threads, const Limits& limits) { fill(threads.count, limits); }
  void fill(ByteCount& count, const Limits& limits) { fill(count.bytes, limits); }
  void fill(std::string& value, const Limits&) {
    static const char* const kPieces[] = {
        "a",           "Z",  "/",    ".",    "..", "-",   " ",        "#",
        " #",          ": ", ":",    "'",    "\"", "\\",  "\n",       "\t",
        "\r",          "$",  "${",   "$${",  "}",  "{",   "[",        "]",
        ",",           "&",  "*",    "!",    "|",  ">",   "%",        "@",
        "`",           "~",  "null", "true", "0",  "1e5", ".5",       "é",
        "漢",          "😀",  "\x7f", "\x01", "?",  "=",   "\xC2\x85", "\xE2\x80\xA8",
        "\xEF\xBB\xBF"};
    value.clear();
    for (uint32_t n = 1 + draw(6); n > 0; --n) value += kPieces[draw(std::size(kPieces))];
  }
  template <class T>
  void fill(std::vector<T>& list, const Limits& limits) {
    list.resize(draw(4));
    for (T& entry : list) fill(entry, limits);
  }
  void fill(NameList& names, const Limits&) {
    names.resize(draw(4));
    for (std::string& name : names) fill(name, {});
  }
  void fill(LabelMap& map, const Limits&) {
    map.clear();
    for (uint32_t n = draw(3); n > 0; --n) {
      auto& [from, to] = map.emplace_back();
      fill(from, {});
      fill(to, {});
      from += std::to_string(n);  // each once
    }
  }
  void fill(ClassWeights& weights, const Limits& limits) {
    weights = {.balanced = draw(2) == 0};
    for (uint32_t n = weights.balanced ? 0 : 1 + draw(3); n > 0; --n) {
      auto& [label, weight] = weights.by_label.emplace_back();
      fill(label, {});
      fill(weight, limits);
      label += std::to_string(n);  // each once
    }
  }
  void fill(Stage& stage, const Limits&) {
    stage.num_layers = 1 + draw(256);
    fill(stage.scope, {});
  }
  template <class T>
  void fill(std::optional<T>& value, const Limits& limits) {
    value.reset();
    if (draw(2)) fill(value.emplace(), limits);
  }

  std::mt19937 random_;
};

Config random_config(uint32_t seed) {
  Config config;
  RandomFields random(seed);
  visit_fields(config, random);
  auto& model = config.model;
  std::ranges::sort(model.schedule, {}, &Stage::scope);
  if (random.draw(2)) model.schedule.clear();
  if (!model.schedule.empty()) model.independent_layers.reset();
  if (model.segment_format == SegmentFormat::kPair) {
    if (model.independent_layers) model.independent_layers = 0;
    for (Stage& stage : model.schedule) stage.scope = Scope::kExample;
  }
  if (LayerCounts& list = config.training.elastic_independent_layers; !list.empty()) {
    // Different numbers, and the model's P among them.
    list.push_back(model.independent_layers.value_or(independent_layers(model.schedule)));
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
    if (list.size() < 2 || list.back() > kMaxLayers || has_scope(model.schedule, Scope::kGroup) ||
        model.segment_format == SegmentFormat::kPair)
      list.clear();
  }
  if (config.training.steps) config.training.epochs.reset();
  if (config.training.warmup_steps) config.training.warmup.reset();
  if (TrainingConfig& training = config.training; training.optimizer == OptimizerKind::kAdafactor) {
    training.beta1 = training.beta2 = training.epsilon = std::nullopt;
    if (!training.warmup && !training.warmup_steps) training.warmup = 0;
  }
  if (config.model.lexical_bias == Switch::kOff) config.training.lexical_bias_learning_rate.reset();
  if (config.training.lora.targets.empty()) config.training.lora.targets = {"dense"};
  if (config.data.max_segment_tokens < 3) config.data.max_segment_tokens = 0;
  return config;
}

TEST(WriteConfig, ReadsBackToTheSame) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    const Config config = random_config(seed);
    const std::string text = write_config(config);
    try {
      const Config back = parse_config(text, "written.yaml", {});
      ASSERT_EQ(config, back) << "seed " << seed << "\n"
                              << text << "\nread back:\n"
                              << write_config(back);
    } catch (const std::exception& error) {
      FAIL() << "seed " << seed << ": " << error.what() << "\n" << text;
    }
  }
}

TEST(WriteConfig, Text) {
  Config c;
  c.task = "sick";
  c.model.path = "all-MiniLM-L6-v2";
  c.model.independent_layers = 3;
  c.data.train = {"a b.tsv"};
  c.data.test = {"x", "y"};
  c.training.epochs = 3;
  const std::string text = write_config(c);
  EXPECT_THAT(text, HasSubstr("task: sick\nmodel:\n  path: all-MiniLM-L6-v2\n  init: pretrained\n"
                              "  independent_layers: 3\n  segment_format: auto\n"));
  EXPECT_THAT(text,
              HasSubstr("data:\n  train: \"a b.tsv\"\n  validation: []\n  test: [x, \"y\"]\n"));
  EXPECT_THAT(text, HasSubstr("  epochs: 3\n  batch_size: 32\n"));
  EXPECT_THAT(text, HasSubstr("  learning_rate: 5e-5\n"));
  EXPECT_THAT(text, HasSubstr("output:\n  dir: \"\"\n  keep: 2\n"));
}

// Texts that a reader of YAML 1.1 or 1.2 takes for something else.
TEST(WriteConfig, WhatYamlReadsAsOtherThanTextIsQuoted) {
  for (const std::string text :
       {"True", "Yes", "NO", "Off", "y", "N", "NULL", ".nan", ".NaN", ".inf", ".INF", "TRUE", "oN"})
    EXPECT_EQ(yaml_text(text), '"' + text + '"');
  for (const std::string text : {"yesterday", "nothing", "./nan", "NaN", "a.inf"})
    EXPECT_EQ(yaml_text(text), text);
}

TEST(WriteFields, WritesNoOthers) {
  Config c;
  c.task = "sick";
  c.model.schedule = {{3, Scope::kSegment}, {3, Scope::kExample}};
  c.data.max_segment_tokens = 64;
  EXPECT_EQ(write_fields(c, {"data.max_segment_tokens", "model.schedule", "model.head", "task"}),
            "task: sick\nmodel:\n  schedule: [{num_layers: 3, scope: segment}, {num_layers: 3, "
            "scope: example}]\ndata:\n  max_segment_tokens: 64\n");
}

TEST(YamlText, RefusesWhatIsNoText) {
  EXPECT_EQ(yaml_text("a\"\n${b}"), R"("a\"\n$${b}")");
  try {
    yaml_text("runs/\xFF");
    FAIL() << "expected a UserError";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected text in UTF-8, got 'runs/"));
  }
}

TEST(WriteConfig, NumbersReadBackToTheSameBits) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(parse_number<double>(number_text(value)), value) << number_text(value);
  }
  EXPECT_EQ(number_text(1e-4), "1e-4");
  EXPECT_EQ(number_text(1e6), "1e6");
  EXPECT_EQ(number_text(1e100), "1e100");
  EXPECT_EQ(number_text(0.25), "0.25");
  EXPECT_EQ(number_text(3.0), "3");
  EXPECT_EQ(number_text(uint64_t{18446744073709551615u}), "18446744073709551615");
}

TEST(ConfigReference, NamesEveryKey) {
  const std::string text = config_reference();
  for (const std::string& name : field_names())
    EXPECT_THAT("\n" + text, HasSubstr("\n" + name + ": "));
  EXPECT_THAT(text, HasSubstr("\nmodel.hidden_dropout: instead of the checkpoint's; a number of at "
                              "least 0 and below 1\n"));
  EXPECT_THAT(text, HasSubstr("\ntraining.precision: auto: bf16 where its matrix multiplication is "
                              "faster, else fp32; one of {auto, bf16, fp32} (default auto)\n"));
}

}  // namespace
}  // namespace lait
