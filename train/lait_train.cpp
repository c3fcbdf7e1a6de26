// lait-train: fine-tunes a model according to a config.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "lait/base/error.h"
#include "lait/base/manual.h"
#include "lait/base/program.h"
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "lait/model/initialize.h"
#include "train/recipe.h"
#include "train/run.h"
#include "train/sweep.h"

namespace {

// The command line without --resume and --overwrite.
std::vector<std::string> typed_words(int argc, char** argv) {
  std::vector<std::string> words(argv, argv + argc);
  std::erase_if(
      words, [](const std::string& word) { return word == "--resume" || word == "--overwrite"; });
  return words;
}

// Errors that all ranks have are printed once.
int train_as_rank(const lait::Config& config, lait::RunOptions& options,
                  const lait::RankPlace& place) {
  using namespace lait;
  try {
    // The launcher starts the ranks again with the same command.
    if (place.restarts > 0 && std::filesystem::exists(config.output.dir + "/config.yaml"))
      options.if_exists = IfExists::kResume;
    options.ranks =
        std::make_shared<Ranks>(place, std::chrono::seconds(config.distributed.timeout));
    return train(config, options);
  } catch (const SaidByAnotherRank&) {
    return kExitUser;
  } catch (const RankLost& lost) {
    std::fprintf(stderr, "lait-train: %s\n", lost.what());
    // Destructors would wait for the lost rank.
    std::_Exit(kExitOurs);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace lait;
  CLI::App app{
      "fine-tunes a pretrained Transformer with layer-adjustable interactions between text "
      "segments",
      "lait-train"};
  std::string config_name, output, sweep, recipe;
  std::vector<std::string> set;
  std::vector<uint64_t> seeds;
  bool resume = false, overwrite = false, dry = false, list = false, list_keys = false,
       quiet = false;
  int64_t profile_steps = 0;
  app.add_option("--config", config_name, "YAML file, or the name of a shipped config")
      ->option_text("FILE|NAME");
  app.add_option("--set", set,
                 "overrides the config, e.g. model.independent_layers=4; KEY= goes back to the "
                 "default; repeatable")
      ->option_text("KEY=VALUE")
      ->take_all();
  app.add_option("--output", output, "run directory (the config's output.dir)")->option_text("DIR");
  auto* resume_flag = app.add_flag("--resume", resume, "continue the run in the run directory");
  app.add_flag("--overwrite", overwrite, "replace the run in the run directory")
      ->excludes(resume_flag);
  app.add_flag("--dry-run", dry,
               "print the resolved config, the model's size, the data's lengths and FLOPs; "
               "measure memory and time with a few steps; write nothing");
  auto* recipe_option =
      app.add_option("--recipe", recipe,
                     "trains the stock model into DIR/stock, and the config's into DIR/split, "
                     "taught by it; " +
                         recipes().front().name + ": " + recipes().front().summary)
          ->option_text(recipes().front().name);
  app.add_option("--sweep", sweep,
                 "KEY=A,B,C or KEY=A..B: one run for each value, in run directories DIR/KEY=VALUE; "
                 "finished runs are kept")
      ->option_text("KEY=VALUES")
      ->excludes(recipe_option);
  app.add_option("--seeds", seeds,
                 "one run for each of these seeds (of each value of --sweep), in DIR/…seed=N; "
                 "lait-eval then gives their mean")
      ->option_text("N,...")
      ->delimiter(',')
      ->excludes(recipe_option);
  app.add_option("--profile", profile_steps,
                 "record where the time of so many steps goes, in DIR/profile.json; after the "
                 "first three of this process")
      ->option_text("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}));
  app.add_flag("--list-configs", list, "list the shipped configs");
  app.add_flag("--list-keys", list_keys, "list every key that a config may have");
  app.add_flag("--quiet", quiet, "no progress: warnings and errors only");
  Entries environment = hub_environment();
  environment.emplace_back(
      "RANK, WORLD_SIZE, …",
      "the places of several processes, as torchrun, srun and mpirun set them");
  environment.emplace_back("any", "${NAME} in a config is replaced by the variable's value");
  for (const auto& entry : compute_environment()) environment.push_back(entry);
  set_manual(
      app,
      {.synopsis = "--config FILE|NAME [--set KEY=VALUE]... [--output DIR] [--resume | "
                   "--overwrite] [--recipe NAME | --sweep KEY=VALUES] [--seeds N,...] "
                   "[--profile N] [--dry-run] [--quiet]\n"
                   "--list-configs | --list-keys",
       .description = "An example's text segments are processed independently in the first P "
                      "layers (model.independent_layers) and together in the rest. Ctrl-C and "
                      "SIGTERM save a checkpoint and stop the run; --resume continues it. A "
                      "second Ctrl-C stops it at once.",
       .environment = environment,
       .files = {{"DIR/config.yaml", "the resolved config; it can be run again"},
                 {"DIR/metrics.jsonl", "loss, metrics, speed; one object per line"},
                 {"DIR/tensorboard/", "the same numbers for TensorBoard"},
                 {"DIR/best/",
                  "the best model: a Hugging Face directory with lait.yaml and a model card"},
                 {"DIR/checkpoints/step-N/",
                  "what --resume reads: the newest that is whole; output.keep of them are "
                  "kept"},
                 {"DIR/report.json",
                  "the best model's metrics on validation and test data; config, machine, "
                  "speed, peak memory"},
                 {"DIR/learning_curve.svg", "loss and validation metrics over the steps"},
                 {"DIR/profile.json",
                  "with --profile: a trace that https://ui.perfetto.dev shows"}},
       .examples = "lait-train --config demo.yaml --output runs/demo\n"
                   "lait-train --config mnli_split4.yaml --set data.train=train.jsonl --set "
                   "data.validation=dev.jsonl --output runs/mnli\n"
                   "lait-train --config sick_split3.yaml --sweep "
                   "model.independent_layers=0,3,5 --seeds 1,2,3 --output runs/sick\n"
                   "lait-train --config sick_split3.yaml --recipe preserve --output runs/kept"});
  return run_program(app, argc, argv, [&] {
    initialize_numerics();
    if (list) {
      for (const ShippedConfig& shipped : list_configs())
        fmt::print("{:<24} {}\n", shipped.name, shipped.summary);
      return kExitOk;
    }
    if (list_keys) {
      fmt::print("{}", config_reference());
      return kExitOk;
    }
    if (config_name.empty())
      throw UserError(
          "--config: expected a YAML file or a shipped config's name; --list-configs lists them");
    // The run continues if nobody reads the progress any more (`| head`).
    if (!dry) std::signal(SIGPIPE, SIG_IGN);
    const std::filesystem::path file = find_config(config_name);
    const RankPlace place = find_place();
    if (place.size > 1 && (dry || !sweep.empty() || !seeds.empty() || !recipe.empty())) {
      throw UserError(std::string(dry               ? "--dry-run"
                                  : !recipe.empty() ? "--recipe"
                                  : sweep.empty()   ? "--seeds"
                                                    : "--sweep") +
                      ": expected one process, got " + std::to_string(place.size) +
                      " ranks; start lait-train without torchrun, srun or mpirun");
    }
    if (!quiet && place.rank == 0) std::fprintf(stderr, "config: %s\n", file.c_str());
    std::vector<Override> overrides = to_overrides(set);
    if (!output.empty()) overrides.push_back(text_override("--output", "output.dir", output));
    RunOptions options{.if_exists = resume      ? IfExists::kResume
                                    : overwrite ? IfExists::kOverwrite
                                                : IfExists::kRefuse,
                       .quiet = quiet,
                       .profile_steps = profile_steps,
                       .evaluate_with = sibling_program(argv[0], "lait-eval")};
    const auto run = [&] {
      if (!recipe.empty()) return run_recipe(recipe, file.string(), overrides, options, dry);
      if (!sweep.empty() || !seeds.empty())
        return run_sweep(file.string(), overrides, sweep, seeds, options, dry);
      const Config config = read_config(file, overrides, task_names());
      if (!dry) return train_as_rank(config, options, place);
      dry_run(config);
      return kExitOk;
    };
    const int code = run();
    if (code != kExitOk && !quiet && place.rank == 0) {
      std::fprintf(stderr, "resume with: %s%s --resume\n",
                   place.size > 1 ? "(torchrun, srun or mpirun as before) " : "",
                   shell_words(typed_words(argc, argv)).c_str());
    }
    return code;
  });
}
