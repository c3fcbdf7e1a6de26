#include "train/recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <filesystem>
#include <optional>

#include "lait/base/error.h"
#include "lait/base/file_writer.h"
#include "lait/base/json.h"
#include "lait/base/program.h"
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "train/run_list.h"

namespace lait {
namespace {

namespace fs = std::filesystem;

// The stock model, with the config's other settings: without those that only a split model has.
Config stock_config(Config config) {
  config.model.independent_layers = 0;
  config.model.schedule.clear();
  config.model.segment_format = SegmentFormat::kPair;
  config.model.lexical_bias = Switch::kOff;
  config.training.distill = {};
  config.training.elastic_independent_layers.clear();
  std::erase(config.training.freeze, "independent");
  config.cache = {};
  return config;
}

// Whether every example is two texts; as far as the run in `stock` found out.
bool has_pairs(const Task& task, const fs::path& stock) {
  if (task.label_kind() == LabelKind::kSpans) return false;
  if (task.segment_names().size() == 2) return true;
  return read_config(stock / "config.yaml", {}).data.num_segments == 2;
}

// What docs/results.md, "The recipe", found to keep most of the stock model's accuracy.
void preserve(Config& config, const RunInputs& plain, const fs::path& stock) {
  constexpr int64_t kRecombined = 2;
  if (takes_lexical_bias(plain.spec, plain.hf_config)) config.model.lexical_bias = Switch::kOn;
  DistillConfig& distill = config.training.distill;
  distill.teacher = stock.string();
  if (distill.recombine == 0 && has_pairs(*plain.task, stock)) distill.recombine = kRecombined;
}

const Recipe& find_recipe(const std::string& name) {
  std::vector<std::string> names;
  for (const Recipe& known : recipes()) {
    if (known.name == name) return known;
    names.push_back(known.name);
  }
  throw UserError(
      fmt::format("--recipe: expected one of {{{}}}, got '{}'", fmt::join(names, ", "), name));
}

// The inputs of the config's model without a teacher. Throws UserError for what no recipe takes.
RunInputs plain_inputs(Config config) {
  if (!config.training.distill.teacher.empty()) {
    throw UserError(
        "--recipe: training.distill.teacher: the recipe trains the teacher itself; leave the key "
        "out");
  }
  config.training.distill = {};
  RunInputs plain = resolve_inputs(config);
  if (plain.spec.independent_layers() > 0) return plain;
  throw UserError(
      "--recipe: expected a model with independent layers, got P = 0; set "
      "model.independent_layers, e.g. --set model.independent_layers=3");
}

void write_report(const std::string& recipe, const std::vector<ListedRun>& runs, bool quiet) {
  nlohmann::ordered_json report{{"recipe", recipe}, {"runs", nlohmann::ordered_json::array()}};
  const fs::path folder = fs::path(runs.front().config.output.dir).parent_path();
  for (const ListedRun& run : runs) {
    const auto of_run = read_json(fs::path(run.config.output.dir) / kReportFile);
    nlohmann::ordered_json row{{"run", run.name}};
    for (const char* key :
         {"independent_layers", "seed", "precision", "steps", "best_step", "validation", "test"})
      if (of_run.contains(key)) row[key] = of_run[key];
    report["runs"].push_back(std::move(row));
  }
  const std::string text = report.dump(2) + "\n";
  write_files({{folder / kReportFile, text}});
  if (!quiet) std::fprintf(stderr, "report: %s\n", (folder / kReportFile).c_str());
}

}  // namespace

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> known{
      {"preserve",
       "lexical bias, and a stock model's outputs as soft labels, also of recombined pairs",
       preserve}};
  return known;
}

int run_recipe(const std::string& name, const std::string& config_file,
               const std::vector<Override>& overrides, const RunOptions& options, bool dry) {
  const Recipe& recipe = find_recipe(name);
  const Config config = read_config(config_file, overrides, task_names());
  const RunInputs plain = plain_inputs(config);
  ListedRun stock{"stock", stock_config(config)}, split{"split", config};
  move_into_own_folder(stock);
  move_into_own_folder(split);
  const std::string list = "recipe " + name;
  RunOptions first = options;
  first.evaluate_with.clear();
  if (const int code = run_list(list, {stock}, first, dry); code != 0) return code;
  // A cost can be measured before there is a teacher: that of the model alone.
  const fs::path teacher = stock.config.output.dir;
  if (!dry || fs::exists(teacher / "best"))
    recipe.apply(split.config, plain, teacher);
  else
    split.config.training.distill = {};
  const int code = run_list(list, {split}, options, dry);
  if (code == 0 && !dry) write_report(name, {stock, split}, options.quiet);
  return code;
}

}  // namespace lait
