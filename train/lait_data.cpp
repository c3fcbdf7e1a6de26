// lait-data: creates the demo's data, splits and exports data, and prints statistics of it.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "lait/base/error.h"
#include "lait/base/manual.h"
#include "lait/base/program.h"
#include "lait/base/signals.h"
#include "lait/base/terminal.h"
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "train/data_export.h"
#include "train/data_split.h"
#include "train/data_stat.h"
#include "train/wordnet.h"

namespace {

using namespace lait;

int make_wordnet(const std::string& output, const WordnetOptions& options) {
  const WordnetSplits splits = make_wordnet_examples(options);
  if (splits.train.empty())
    throw UserError(options.database.string() +
                    ": expected WordNet's nouns, got too few to make examples of");
  write_wordnet_examples(splits, output);
  std::printf("%s: fact verification from WordNet glosses\n", output.c_str());
  for (const auto& [name, examples] : {std::pair{"train", &splits.train},
                                       {"validation", &splits.validation},
                                       {"test", &splits.test}}) {
    std::printf(
        "  %-10s  %6zu examples, half of them supported; the rule \"the gloss contains Y\" is "
        "right on %.1f %%, \"they share a word\" on %.1f %%\n",
        name, examples->size(), 100 * rule_accuracy(*examples, &WordnetExample::contains_y),
        100 * rule_accuracy(*examples, &WordnetExample::shares_word));
  }
  return kExitOk;
}

int split(const SplitOptions& options) {
  const std::vector<SplitPart> parts = split_data(options);
  int64_t all = 0;
  for (const SplitPart& part : parts) all += part.records;
  for (const SplitPart& part : parts) {
    std::printf("%s: %lld records (%.1f %%) in %lld groups\n", part.path.c_str(),
                static_cast<long long>(part.records),
                100.0 * static_cast<double>(part.records) / static_cast<double>(all),
                static_cast<long long>(part.groups));
  }
  return kExitOk;
}

// Options of `lait-data split`.
CLI::App* add_split(CLI::App& app, SplitOptions& options) {
  auto* command = app.add_subcommand("split", "parts without a common article, passage or page");
  command->add_option("--task", options.task, "the task whose file it is")
      ->option_text("TASK")
      ->required();
  command->add_option("--input", options.input, "the file (.gz, too), or FEVER's folder")
      ->option_text("FILE")
      ->required();
  command
      ->add_option("--by", options.by,
                   "fields of the records; what has a value in common stays together, also by way "
                   "of others")
      ->option_text("FIELD,...")
      ->delimiter(',')
      ->required();
  command->add_option("--shares", options.shares, "of the records, e.g. 80,10,10")
      ->option_text("N,...")
      ->delimiter(',')
      ->required();
  command->add_option("--names", options.names, "of the parts (default: train, validation, test)")
      ->option_text("NAME,...")
      ->delimiter(',');
  command->add_option("--output", options.output, "folder to write")
      ->option_text("DIR")
      ->required();
  command->add_option("--seed", options.seed, "which groups go where")
      ->option_text("N")
      ->capture_default_str();
  set_manual(
      *command,
      {.synopsis = "--task TASK --input FILE --by FIELD,... --shares N,... --output DIR "
                   "[--names NAME,...] [--seed N]",
       .description = "Each part has the input's form and order. Groups of connected records "
                      "go where most of a share is missing, the largest first.",
       .files = {{"DIR/NAME.jsonl (.csv, .tsv)", "the parts"}},
       .examples = "lait-data split --task fnc1 --input train_stances.csv --by 'Body ID' "
                   "--shares 80,20 --names train,dev --output fnc1\n"
                   "lait-data split --task fever --input rte_fever_dev --by claim,evidence "
                   "--shares 80,10,10 --output fever"});
  return command;
}

struct ConfigOptions {
  std::string config{};
  std::vector<std::string> set{};
};

// Of the commands that read a config.
void add_config(CLI::App& command, ConfigOptions& options) {
  command.add_option("--config", options.config, "YAML file, or the name of a shipped config")
      ->option_text("FILE|NAME")
      ->required();
  command
      .add_option("--set", options.set,
                  "overrides the config; KEY= goes back to the default; repeatable")
      ->option_text("KEY=VALUE")
      ->take_all();
}

Entries config_environment() {
  Entries environment = hub_environment();
  environment.emplace_back("any", "${NAME} in a config is replaced by the variable's value");
  return environment;
}

int export_examples(const ConfigOptions& given, const ExportOptions& options) {
  exit_on_signals();
  const Config config =
      read_config(find_config(given.config), to_overrides(given.set), task_names());
  const Exported exported = export_data(config, options);
  const std::string missing = left_out(exported.counts);
  const std::string counted = std::to_string(exported.examples) + " examples" + missing + "\n";
  if (!options.output.empty()) {
    std::printf("%s: %s", options.output.c_str(), counted.c_str());
  } else if (!missing.empty()) {
    show("lait-data: " + counted);
  }
  return kExitOk;
}

// Options of `lait-data export`.
CLI::App* add_export(CLI::App& app, ConfigOptions& config, ExportOptions& options) {
  auto* command = app.add_subcommand("export", "a config's examples as JSON lines, as LAIT reads");
  add_config(*command, config);
  command->add_option("--split", options.split, "which of the config's data")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->capture_default_str();
  command
      ->add_option("--output", options.output,
                   "file to write, completely or not at all (default: standard output)")
      ->option_text("FILE");
  set_manual(*command,
             {.synopsis = "--config FILE|NAME [--set KEY=VALUE]... [--split "
                          "train|validation|test] [--output FILE]",
              .description =
                  "One line for each example that the task makes of its files: {\"segments\": "
                  "[\"…\", \"…\"], \"label\": …}, with groups, id, query and passage where the "
                  "example has them. The same task reads these lines as equal examples, so they "
                  "can be looked at, thinned out or edited. Where data.columns names the "
                  "segments, the lines have columns of these names.",
              .environment = config_environment(),
              .examples = "lait-data export --config multirc_split11.yaml --split validation "
                          "--set data.validation=val.jsonl | head -n 3"});
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"creates the demo's data, splits and exports data, and prints statistics of it",
               "lait-data"};
  app.require_subcommand(1);
  set_manual(
      app,
      {.synopsis = "wordnet [OPTION]...\nstat [OPTION]...\nsplit [OPTION]...\nexport [OPTION]...",
       .description = "`lait-data COMMAND --help` lists a command's options."});
  std::string output;
  WordnetOptions options;
  auto* wordnet = app.add_subcommand("wordnet", "fact verification from WordNet's glosses");
  wordnet->add_option("--output", output, "folder to write")->option_text("DIR")->required();
  wordnet->add_option("--seed", options.seed, "seed of selection and order")
      ->option_text("N")
      ->capture_default_str();
  wordnet->add_option("--wordnet", options.database, "folder of WordNet's data.noun")
      ->option_text("DIR")
      ->capture_default_str();
  set_manual(
      *wordnet,
      {.synopsis = "--output DIR [--seed N] [--wordnet DIR]",
       .description =
           "Each example is a claim \"it is a kind of Y\" and a gloss; half of the claims "
           "are true. Prints the accuracy of simple rules.",
       .files = {{"train.jsonl, validation.jsonl, test.jsonl", "the output, for task: wordnet"}},
       .examples = "lait-data wordnet --output data/wordnet"});
  ConfigOptions of_stat, of_export;
  auto* stat = app.add_subcommand(
      "stat", "lengths and repeats of a config's data: would sharing and caching help?");
  add_config(*stat, of_stat);
  std::string json;
  stat->add_option("--json", json, "also write the figures to this file")->option_text("FILE");
  set_manual(*stat,
             {.synopsis = "--config FILE|NAME [--set KEY=VALUE]... [--json FILE]",
              .environment = config_environment(),
              .examples = "lait-data stat --config mnli_split4.yaml --set data.train=train.jsonl "
                          "--set data.validation=dev.jsonl"});
  SplitOptions split_options;
  const auto* split_command = add_split(app, split_options);
  ExportOptions export_options;
  const auto* export_command = add_export(app, of_export, export_options);
  return run_program(app, argc, argv, [&] {
    if (split_command->parsed()) return split(split_options);
    if (export_command->parsed()) return export_examples(of_export, export_options);
    return wordnet->parsed() ? make_wordnet(output, options)
                             : data_statistics(of_stat.config, to_overrides(of_stat.set), json);
  });
}
