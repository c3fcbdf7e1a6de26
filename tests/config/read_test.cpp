// Strict reading: what a config means, and every mistake named with file, line and the nearest key,
// all at once.
#include "lait/config/read.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "lait/base/error.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kBase[] = "task: sick\nmodel:\n  path: m\n";

// The message of the UserError, or "" where there is none.
std::string error_of(const std::string& text, const std::vector<Override>& overrides = {},
                     const std::vector<std::string>& tasks = {}) {
  try {
    parse_config(text, "a.yaml", overrides, tasks);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}
std::string override_error(const std::string& text) { return error_of(kBase, {text}); }

TEST(ReadConfig, Values) {
  const Config c = parse_config(R"(task: mnli
model:
  path: "bert-base-uncased"   # a comment
  schedule:
    - {num_layers: 2, scope: segment}
    - {scope: group, num_layers: 3}
    - num_layers: 1
      scope: example
  pooling: segments
  hidden_dropout: 0
data:
  train: [a.tsv, 'b c.tsv']
  validation: v.tsv
  on_overflow: error
training:
  steps: 100
  learning_rate: 1e-4
  seed: 18446744073709551615
  precision: fp32
)",
                                "a.yaml", {});
  EXPECT_EQ(c.task, "mnli");
  EXPECT_EQ(c.model.path, "bert-base-uncased");
  EXPECT_THAT(c.model.schedule, ElementsAre(Stage{2, Scope::kSegment}, Stage{3, Scope::kGroup},
                                            Stage{1, Scope::kExample}));
  EXPECT_EQ(c.model.pooling, Pooling::kSegments);
  EXPECT_EQ(c.model.hidden_dropout, 0.0);
  EXPECT_FALSE(c.model.attention_dropout);
  EXPECT_THAT(c.data.train, ElementsAre("a.tsv", "b c.tsv"));
  EXPECT_THAT(c.data.validation, ElementsAre("v.tsv"));
  EXPECT_TRUE(c.data.test.empty());
  EXPECT_EQ(c.data.on_overflow, OnOverflow::kError);
  EXPECT_EQ(c.training.steps, 100);
  EXPECT_EQ(c.training.learning_rate, 1e-4);
  EXPECT_EQ(c.training.seed, 18446744073709551615u);
  EXPECT_EQ(c.training.precision, Precision::kFp32);
  EXPECT_EQ(c.training.batch_size, TrainingConfig().batch_size);
}

TEST(ReadConfig, AllMistakesAtOnceInTheOrderOfTheLines) {
  EXPECT_EQ(
      error_of(R"(task: sick
model:
  path: m
  segment_format: piar
  hidden_dropout: 1
training:
  learing_rate: 1e-4
  batch_size: 3.0
  epochs: 2
  steps: 10
  seed: "7"
dta: {}
)",
               {"training.threads=many", "nonsense"}),
      "a.yaml:4: model.segment_format: expected one of {auto, standalone, pair}, got 'piar' "
      "(did you mean pair?)\n"
      "a.yaml:5: model.hidden_dropout: expected a number of at least 0 and below 1, got '1'\n"
      "a.yaml:7: unknown key training.learing_rate (did you mean learning_rate?)\n"
      "a.yaml:8: training.batch_size: expected a whole number of at least 1 and at most "
      "1e12, got '3.0'\n"
      "a.yaml:10: training.steps: excludes training.epochs; leave one of them out\n"
      "a.yaml:11: training.seed: expected a whole number of at least 0, got '7' in quotes, which "
      "make it a text; remove them\n"
      "a.yaml:12: unknown key dta (did you mean data?)\n"
      "--set training.threads=many: training.threads: expected auto or a whole number of at least "
      "0 "
      "and at most 4096, got 'many'\n"
      "--set nonsense: expected key=value, e.g. --set training.seed=2");
}

TEST(ReadConfig, MissingKeys) {
  EXPECT_EQ(error_of(""), "a.yaml: the key task is missing\na.yaml: the key model.path is missing");
  EXPECT_EQ(error_of("task: ''\nmodel: {path: }\n"),
            "a.yaml:1: task: expected a name, got an empty text\na.yaml:2: model.path: expected a "
            "value, got nothing; give one, or remove the key");
}

TEST(ReadConfig, UnknownKeys) {
  EXPECT_THAT(override_error("learning_rate=1"),
              HasSubstr("unknown key learning_rate (did you mean training.learning_rate?)"));
  EXPECT_THAT(override_error("data.batch_sise=1"),
              HasSubstr("unknown key data.batch_sise (did you mean training.batch_size?)"));
  EXPECT_THAT(override_error("output.zzzzzz=1"),
              HasSubstr("unknown key output.zzzzzz; known in output are dir, keep, hf_code"));
  EXPECT_THAT(override_error("model.path.x=1"), HasSubstr("unknown key model.path.x"));
  // A section that is right brings no name nearer; a missing dot is a slip.
  EXPECT_THAT(override_error("training.zzz=1"),
              HasSubstr("unknown key training.zzz; known in training are epochs, steps, "));
  EXPECT_THAT(override_error("training_seed=1"), HasSubstr("(did you mean training.seed?)"));
  // Neighbours swapped are one mistake, not two.
  EXPECT_THAT(override_error("output.idr=1"),
              HasSubstr("unknown key output.idr (did you mean dir?)"));
}

TEST(ReadConfig, RepeatedKeys) {
  EXPECT_EQ(error_of("task: sick\nmodel: {path: m}\ntraining:\n  seed: 1\n  threads: 2\n  seed: "
                     "2\ntask: mnli\n"),
            "a.yaml:6: the key training.seed appears twice, first in line 4; remove one\n"
            "a.yaml:7: the key task appears twice, first in line 1; remove one");
}

TEST(ReadConfig, NumbersAreStrict) {
  for (const char* text : {"3.0", "1e3", "'3'", "+3", "0x10", "1_000", "010", "3 4", "true", "~",
                           " 3", "[3]", "{a: 3}", "0", "-1", "99999999999999999999"}) {
    EXPECT_THAT(override_error(std::string("training.batch_size=") + text),
                HasSubstr("training.batch_size: expected a whole number of at least 1"))
        << text;
  }
  for (const char* text : {"-1e-9", "nan", ".nan", "inf", ".inf", "1e999", "1e-4x", "'0.1'", "1,5",
                           "yes", "~", "[0.1]"}) {
    EXPECT_THAT(override_error(std::string("training.learning_rate=") + text),
                HasSubstr("training.learning_rate: expected a number of at least 0"))
        << text;
  }
  EXPECT_EQ(override_error("training.learning_rate=3"), "");
  EXPECT_THAT(override_error("training.epsilon=0"),
              HasSubstr("expected a number above 0, got '0'"));
  EXPECT_THAT(override_error("training.epochs=0"),
              HasSubstr("expected a number above 0 and at most 1e6, got '0'"));
  EXPECT_THAT(override_error("model.independent_layers=-1"),
              HasSubstr("of at least 0 and at most 256, got '-1'"));
  EXPECT_THAT(override_error("data.max_segment_tokens=2"),
              HasSubstr("expected 0 (the model's limit) or at least 3"));
  EXPECT_EQ(override_error("data.max_segment_tokens=3"), "");
}

TEST(ReadConfig, Bytes) {
  const auto bytes = [](const std::string& text) {
    return parse_config(kBase + ("cache: {dir: c, max_bytes: " + text + "}"), "a.yaml", {})
        .cache.max_bytes.bytes;
  };
  EXPECT_EQ(bytes("0"), 0);
  EXPECT_EQ(bytes("1500"), 1500);
  EXPECT_EQ(bytes("20GB"), 20'000'000'000);
  EXPECT_EQ(bytes("\"5MB\""), 5'000'000);
  EXPECT_EQ(bytes("7KB"), 7000);
  for (const char* text : {"-1", "1.5GB", "GB", "5 GB", "5gb", "\"5\"", "[5]", "2000000GB"}) {
    EXPECT_THAT(error_of(kBase + ("cache: {max_bytes: " + std::string(text) + "}")),
                HasSubstr("cache.max_bytes: expected bytes as a whole number, or with KB, MB or "
                          "GB, e.g. 20GB, got "))
        << text;
  }
}

TEST(ReadConfig, TypesOfTextAndLists) {
  EXPECT_THAT(error_of(std::string(kBase) + "output: {dir: [a]}\n"),
              HasSubstr("output.dir: expected text, got a list"));
  EXPECT_THAT(override_error("data.train={a: b}"),
              HasSubstr("data.train: expected a file or a list of files, got a mapping"));
  EXPECT_THAT(override_error("training=3"),
              HasSubstr("training: expected a mapping of keys, got '3'"));
  EXPECT_THAT(error_of("- a\n- b\n"), HasSubstr("a.yaml:1: expected a mapping with the keys task, "
                                                "model, data, training, output, got a list"));
  EXPECT_THAT(error_of(std::string(kBase) + "data:\n  train:\n    - a\n    - [b]\n    - ''\n"),
              HasSubstr("a.yaml:7: data.train: expected a list of file names, got a list\n"
                        "a.yaml:8: data.train: expected a list of file names, got ''"));
  EXPECT_THAT(error_of(std::string(kBase) + "? [a, b]\n: c\n"),
              HasSubstr("a.yaml:4: expected a key, got a list"));
}

TEST(ReadConfig, Stages) {
  const std::string base = "task: sick\nmodel:\n  path: m\n  schedule:\n";
  EXPECT_EQ(
      error_of(base + "    - {num_layers: 0, scope: segmnt}\n    - {num_layer: 2, scope: example, "
                      "scope: group}\n    - 4\n"),
      "a.yaml:5: model.schedule.num_layers: expected a whole number of at least 1 and at most 256, "
      "got '0'\n"
      "a.yaml:5: model.schedule.scope: expected one of {segment, group, example}, got 'segmnt' "
      "(did you mean segment?)\n"
      "a.yaml:6: model.schedule: unknown key 'num_layer' in a stage (did you mean num_layers?)\n"
      "a.yaml:6: model.schedule: the key scope appears twice in a stage; remove one\n"
      "a.yaml:6: model.schedule: a stage without num_layers; expected a list of stages "
      "{num_layers: N, scope: segment|group|example[, updates: all|first]}\n"
      "a.yaml:7: model.schedule: expected a list of stages {num_layers: N, scope: "
      "segment|group|example[, updates: all|first]}, got '4'");
  EXPECT_THAT(override_error("model.schedule=[]"),
              HasSubstr("model.schedule: expected a list of stages"));
  EXPECT_THAT(
      override_error(
          "model.schedule=[{num_layers: 1, scope: example}, {num_layers: 1, scope: group}]"),
      HasSubstr("scopes may only widen (segment, group, example), got group after example"));
}

TEST(ReadConfig, OneSidedStages) {
  const std::string joint = "{num_layers: 3, scope: example, updates: first}";
  const Config c = parse_config(
      std::string(kBase) + "  schedule: [{num_layers: 3, scope: segment}, " + joint + "]\n",
      "a.yaml", {});
  EXPECT_THAT(c.model.schedule,
              ElementsAre(Stage{3, Scope::kSegment}, Stage{3, Scope::kExample, Updates::kFirst}));
  EXPECT_THAT(
      override_error("model.schedule=[{num_layers: 1, scope: example, updates: frist}]"),
      HasSubstr("model.schedule.updates: expected one of {all, first}, got 'frist' (did you "
                "mean first?)"));
  EXPECT_THAT(override_error("model.schedule=[" + joint + ", {num_layers: 1, scope: example}]"),
              HasSubstr("model.schedule: only stages with updates: first may follow one"));
  EXPECT_THAT(override_error("model.schedule=[{num_layers: 1, scope: group, updates: first}]"),
              HasSubstr("updates: first is for stages of scope example, got group"));
  EXPECT_THAT(error_of(kBase, {"model.segment_format=pair", "model.schedule=[" + joint + "]"}),
              HasSubstr("pair is the stock layout"));
}

TEST(ReadConfig, Conflicts) {
  EXPECT_THAT(
      error_of(std::string(kBase) +
               "  independent_layers: 0\n  schedule: [{num_layers: 6, scope: example}]\n"),
      HasSubstr(
          "a.yaml:5: model.schedule: excludes model.independent_layers; leave one of them out"));
  const std::string pair =
      "model.segment_format: pair is the stock layout, for independent_layers: 0 only; use auto or "
      "standalone";
  EXPECT_THAT(error_of(std::string(kBase) + "  independent_layers: 1\n  segment_format: pair\n"),
              HasSubstr("a.yaml:5: " + pair));
  EXPECT_THAT(error_of(kBase, {"model.segment_format=pair",
                               "model.schedule=[{num_layers: 1, scope: group}]"}),
              HasSubstr(pair));
  EXPECT_EQ(error_of(kBase, {"model.segment_format=pair", "model.independent_layers=0"}), "");
  EXPECT_EQ(error_of(kBase, {"model.segment_format=pair",
                             "model.schedule=[{num_layers: 6, scope: example}]"}),
            "");
  EXPECT_EQ(error_of("task: sikc\nmodel: {path: m}\n", {}, {"sick", "mnli"}),
            "a.yaml:1: task: expected one of {sick, mnli}, got 'sikc' (did you mean sick?)");
}

TEST(ReadConfig, Overrides) {
  const std::string text =
      std::string(kBase) + "  independent_layers: 2\ntraining: {epochs: 2, seed: 3}\n";
  const Config c = parse_config(
      text, "a.yaml",
      {"training.seed=4", "training.seed=5", "data.train=[a, b]", "training.steps=10",
       "model.schedule=[{num_layers: 6, scope: segment}]", "output={dir: x, keep: 3}"});
  EXPECT_EQ(c.training.seed, 5u);  // the last one
  EXPECT_THAT(c.data.train, ElementsAre("a", "b"));
  EXPECT_FALSE(c.training.epochs);  // steps took its place
  EXPECT_EQ(c.training.steps, 10);
  EXPECT_FALSE(c.model.independent_layers);
  EXPECT_EQ(c.model.schedule.size(), 1u);
  EXPECT_EQ(c.output.dir, "x");
  EXPECT_EQ(c.output.keep, 3);
  EXPECT_EQ(parse_config(text, "a.yaml", {"training.threads=2"}).training.threads.count, 2);
  EXPECT_EQ(parse_config(text, "a.yaml", {"training.threads=auto"}).training.threads.count, 0);
  EXPECT_THAT(error_of(text, {"training.steps=10", "training.epochs=1"}),
              HasSubstr("--set training.steps=10: training.steps: excludes training.epochs"));
  EXPECT_THAT(override_error("data.train=[a[]"),
              HasSubstr("--set data.train=[a[]: not valid YAML: "));
  EXPECT_THAT(override_error("=3"), HasSubstr("--set =3: expected key=value"));
}

TEST(ReadConfig, TextOverrideIsTakenAsItIs) {
  for (const char* text : {"plain", "a: b", "x #y", "[1]", "null", "~", "${HOME}", "$${x}", "",
                           "a\nb\"\\", "3", "-", "@x", "été"}) {
    EXPECT_EQ(
        parse_config(kBase, "a.yaml", {text_override("--output", "output.dir", text)}).output.dir,
        text);
  }
  try {
    text_override("--output", "output.dir", "runs/\xFF");
    FAIL() << "expected a UserError";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("--output: expected text in UTF-8, got 'runs/"));
  }
}

TEST(ReadConfig, EnvironmentVariables) {
  setenv("LAIT_TEST_DIR", "/data/x", 1);
  unsetenv("LAIT_TEST_UNSET");
  const Config c =
      parse_config(kBase, "a.yaml",
                   {"data.train=['${LAIT_TEST_DIR}/a', 'b${LAIT_TEST_DIR}${LAIT_TEST_DIR}']",
                    "output.dir=$${LAIT_TEST_DIR}$x"});
  EXPECT_THAT(c.data.train, ElementsAre("/data/x/a", "b/data/x/data/x"));
  EXPECT_EQ(c.output.dir, "${LAIT_TEST_DIR}$x");
  EXPECT_THAT(
      error_of(std::string(kBase) + "data:\n  train:\n  - a\n  - ${LAIT_TEST_UNSET}/b\n"),
      HasSubstr("a.yaml:7: data.train: the environment variable LAIT_TEST_UNSET in "
                "'${LAIT_TEST_UNSET}/b' is not set; set it, or write the value in its place"));
  // What an override replaces is not looked at.
  EXPECT_EQ(
      error_of(std::string(kBase) + "data: {train: '${LAIT_TEST_UNSET}'}\n", {"data.train=x"}), "");
  for (const char* text : {"${LAIT_TEST_DIR", "${}", "${a b}", "${1}"}) {
    EXPECT_THAT(error_of(kBase, {"output.dir=" + std::string(text)}),
                HasSubstr("output.dir: expected ${VARIABLE} in '" + std::string(text)));
  }
  setenv("LAIT_TEST_DIR", "\xFF", 1);
  EXPECT_THAT(override_error("output.dir=${LAIT_TEST_DIR}"), HasSubstr("is no text in UTF-8"));
}

TEST(ReadConfig, LongValuesAndLineBreaksAreShortenedInMessages) {
  EXPECT_THAT(override_error("training.seed='a\\n" + std::string(1000, 'x') + "'"),
              testing::Not(HasSubstr(std::string(100, 'x'))));
  EXPECT_THAT(override_error("training.seed=a\nb"), HasSubstr("got 'a b'"));
}

}  // namespace
}  // namespace lait
