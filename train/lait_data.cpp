// lait-data: creates the demo's data, and prints statistics of a config's data.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <set>

#include "lait/base/error.h"
#include "lait/base/manual.h"
#include "lait/base/program.h"
#include "lait/config/read.h"
#include "lait/data/dataset.h"
#include "lait/data/example_reader.h"
#include "lait/data/task.h"
#include "lait/text/tokenizer.h"
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

// Lengths and repeats of the segments of a split, to judge what sharing and caching would save.
void print_statistics(const std::string& name, const LabelledData& data, const Tokenizer& tokenizer,
                      int64_t max_tokens) {
  // The standalone layout of BERT, MPNet and RoBERTa: one special token before the text, one behind
  // it.
  const SpecialTokens special = tokenizer.special_tokens();
  const Dataset dataset(data.examples, tokenizer,
                        {.layout = {.prefix = {special.cls}, .suffix = {special.sep}},
                         .format = SegmentFormat::kStandalone,
                         .max_tokens = int64_t{1} << 30,
                         .on_overflow = OnOverflow::kTruncate});
  std::vector<int64_t> lengths;
  int64_t segments = 0, tokens = 0, distinct_tokens = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    for (const int32_t sequence : dataset.example(i).sequences) {
      ++segments;
      tokens += dataset.length(sequence);
    }
  }
  for (int32_t s = 0; s < dataset.num_sequences(); ++s) {
    lengths.push_back(dataset.length(s));
    distinct_tokens += lengths.back();
  }
  std::ranges::sort(lengths);
  const auto share = [](int64_t part, int64_t whole) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(std::max<int64_t>(1, whole));
  };
  std::printf("%s: %lld examples%s, %lld segments, %lld distinct (%.1f %%)\n", name.c_str(),
              static_cast<long long>(dataset.size()), left_out(data.counts).c_str(),
              static_cast<long long>(segments), static_cast<long long>(dataset.num_sequences()),
              share(dataset.num_sequences(), segments));
  std::printf("  tokens of a distinct segment: median %lld, 95 %% %lld, longest %lld\n",
              static_cast<long long>(lengths[lengths.size() / 2]),
              static_cast<long long>(lengths[lengths.size() * 95 / 100]),
              static_cast<long long>(lengths.back()));
  if (max_tokens > 0) {
    int64_t long_examples = 0;
    for (int64_t i = 0; i < dataset.size(); ++i) {
      long_examples += std::ranges::any_of(
          dataset.example(i).sequences,
          [&](const int32_t sequence) { return dataset.length(sequence) > max_tokens; });
    }
    std::printf(
        "  %lld of %lld examples have a segment longer than data.max_segment_tokens, %lld\n",
        static_cast<long long>(long_examples), static_cast<long long>(dataset.size()),
        static_cast<long long>(max_tokens));
  }
  std::printf("  would caching help? %.1f %% of the tokens in independent layers are repeats\n",
              100 - share(distinct_tokens, tokens));
}

int print_config_statistics(const std::string& name, const std::vector<Override>& overrides) {
  const Config config = read_config(find_config(name), overrides, task_names());
  const Task& task = find_task(config.task);
  // The head's, which is chosen by the task if the config has none.
  const LabelKind labels = !config.model.head                            ? task.label_kind()
                           : *config.model.head == HeadKind::kRegression ? LabelKind::kNumber
                                                                         : LabelKind::kClass;
  const ReadOptions reading = read_options(config.data);
  check_options(reading, task, labels);
  resolve_num_segments(config.data, task);
  const auto tokenizer = load_tokenizer(find_model(config.model.path));
  bool any = false;
  for (const auto& [split, files] : {std::pair{"train", &config.data.train},
                                     {"validation", &config.data.validation},
                                     {"test", &config.data.test}}) {
    const LabelledData data = read_files(task, *files, reading);
    if (data.examples.empty()) continue;
    print_statistics(split, data, *tokenizer, config.data.max_segment_tokens);
    any = true;
  }
  if (!any)
    throw UserError(name +
                    ": expected files in data.train, data.validation or data.test, got none");
  return kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"creates the demo's data, and prints statistics of a config's data", "lait-data"};
  app.require_subcommand(1);
  set_manual(app, {.synopsis = "wordnet [OPTION]...\nstat [OPTION]...",
                   .description = "`lait-data COMMAND --help` lists a command's options."});
  std::string output, config;
  std::vector<std::string> set;
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
  auto* stat =
      app.add_subcommand("stat", "lengths and repeats of a config's data: would caching help?");
  stat->add_option("--config", config, "YAML file, or the name of a shipped config")
      ->option_text("FILE|NAME")
      ->required();
  stat->add_option("--set", set, "overrides the config; KEY= goes back to the default; repeatable")
      ->option_text("KEY=VALUE")
      ->take_all();
  Entries environment = hub_environment();
  environment.emplace_back("any", "${NAME} in a config is replaced by the variable's value");
  set_manual(*stat,
             {.synopsis = "--config FILE|NAME [--set KEY=VALUE]...",
              .environment = environment,
              .examples = "lait-data stat --config mnli_split4.yaml --set data.train=train.jsonl "
                          "--set data.validation=dev.jsonl"});
  return run_program(app, argc, argv, [&] {
    return wordnet->parsed() ? make_wordnet(output, options)
                             : print_config_statistics(config, to_overrides(set));
  });
}
