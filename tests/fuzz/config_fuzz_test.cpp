// Fuzz targets of lait/config: YAML files and --set.
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "tests/fuzz/fuzz.h"

namespace lait {
namespace {

const char* const kConfig =
    "task: sick\nmodel:\n  path: \"m\\x41\"\n  schedule: [{num_layers: 2, scope: segment}, "
    "{num_layers: 4, scope: example}]\n"
    "data:\n  train: ['a', b]\n  test: |\n    x\n    y\n  max_segment_tokens: 12\ntraining: "
    "{epochs: 2, learning_rate: 1e-4, batch_by: tokens}\n"
    "output:\n  dir: $${x}/x # c\n";

TEST(Fuzz, ConfigYaml) {
  const Mutator mutator(
      {kConfig, "task: jsonl\nmodel: {path: m, independent_layers: 0x4}\n"},
      {"task: ", "model:", "  ", "schedule: ", "num_layers: 1", "scope: group",
       "training.epochs: 1", "? ", "- ", "|", ">", "{? [", "[{", "%YAML 1.1\n", "!x ", "@", "`"});
  fuzz(mutator, [](const std::string& text) { parse_config(text, "a.yaml", {}, task_names()); },
       {.message_may_have_lines = true});
}

TEST(Fuzz, Overrides) {
  const Mutator mutator({"training.epochs=2", "model.schedule=[{num_layers: 2, scope: segment}]",
                         "training={epochs: 2}", "data.train=[a, b]", "task=mnli"},
                        {"=", "model.", "training.", "path=", "epochs", "schedule=", "- "});
  fuzz(mutator,
       [](const std::string& text) {
         parse_config(kConfig, "a.yaml", {text, "training.seed=1"}, task_names());
       },
       {.message_may_have_lines = true});
}

}  // namespace
}  // namespace lait
