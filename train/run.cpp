#include "train/run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "eval/metrics.h"
#include "lait/base/available_cpus.h"
#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/program.h"
#include "lait/base/signals.h"
#include "lait/config/read.h"
#include "lait/model/device.h"
#include "lait/model/threads.h"
#include "lait/predict/predictor.h"
#include "train/learning_curve.h"
#include "train/load_model.h"
#include "train/model_card.h"
#include "train/open_run.h"
#include "train/peak_rss.h"
#include "train/profile.h"
#include "train/progress.h"
#include "train/run_inputs.h"
#include "train/run_report.h"
#include "train/run_store.h"
#include "train/same_inputs.h"
#include "train/teacher_outputs.h"
#include "train/trainer.h"

namespace lait {
namespace {

// Whether the model will not see some text of the user. This is reported also with --quiet.
bool loses_text(const Split& split) {
  return split.counts.bad_lines > 0 || split.counts.bad_answers > 0 ||
         split.dataset->num_truncated() > 0;
}

// Ranks that share their CPUs with this one, itself included. Launchers may give each its own.
int ranks_on_these_cpus(Ranks& ranks) {
  const std::string mine = cpu_set();
  return static_cast<int>(std::ranges::count(ranks.gather(mine), mine));
}

void finish_profile(StepProfile* profile, const RunOptions& options, const RunDirectory& run,
                    Progress& progress) {
  if (profile == nullptr) return;
  const int64_t steps = profile->finish();
  progress.message(
      steps > 0 ? fmt::format("profile of {} of {} steps: {} (open it in https://ui.perfetto.dev)",
                              steps, options.profile_steps, (run.path() / kProfileFile).string())
                : fmt::format("no profile: it begins after {} steps of the process",
                              StepProfile::kWarmUpSteps));
}

}  // namespace

int train(const Config& config, const RunOptions& options) {
  if (config.output.dir.empty())
    throw UserError(
        "output.dir: expected the run directory; set it in the config or pass --output DIR");
  const double started = unix_seconds();
  reset_peak_rss();
  Ranks& ranks = *options.ranks;
  Progress progress(!ranks.is_first() ? Says::kNothing
                    : options.quiet   ? Says::kWarnings
                                      : Says::kAll);
  set_threads(config.training.threads.count, ranks_on_these_cpus(ranks));
  // Sums of equal order on all ranks.
  at::set_num_threads(static_cast<int>(-ranks.max(-at::get_num_threads())));
  at::Device device = at::kCPU;
  RunInputs in;
  Model model = nullptr;
  const std::filesystem::path cache_folder =
      options.cache.empty() ? std::filesystem::path(config.output.dir) / kCacheFolder
                            : options.cache;
  TokenCache cache(cache_folder, ranks.is_first());
  ranks.together([&] {
    device = ranks.use_device(resolve_device(config.training.device));
    if (!ranks.is_first()) return;
    check_run_directory(config.output.dir, options.if_exists);
    in = read_inputs(config, cache);
  });
  ranks.together([&] {
    const at::ScalarType dtype = resolve_precision(config.training.precision, device);
    // The others read what the first one has put into the cache.
    if (!ranks.is_first()) in = read_inputs(config, cache);
    model = load_model(in, dtype);
    model->move_to(device);
  });
  check_same_inputs(in, device, model->compute_dtype, ranks);
  std::optional<RunDirectory> opened;
  std::optional<ResumePoint> resume;
  ranks.together([&] {
    if (ranks.is_first()) resume = open_run(in, options.if_exists, progress, opened);
  });
  // The others read the checkpoint that the first one has found.
  const std::string checkpoint =
      ranks.gather(resume ? resume->checkpoint.string() : std::string()).front();
  ranks.together([&] {
    if (ranks.is_first()) return;
    opened.emplace(config.output.dir);
    if (!checkpoint.empty()) resume = find_resume_point({checkpoint}, [](const auto&) {});
  });
  RunDirectory& run = *opened;

  progress.message(fmt::format("{} → {}: {}, {}, {}", in.config.model.path, in.task->name(),
                               describe(in.spec.schedule), to_string(in.spec.format),
                               to_string(in.spec.pooling)));
  if (!in.spec.elastic.empty()) {
    progress.message(
        fmt::format("each step trains one P of {}, drawn from the seed; prediction "
                    "uses P = {}",
                    fmt::join(in.spec.elastic, ", "), in.spec.independent_layers()));
  }
  if (!model->head_origin.empty()) progress.message("head: " + model->head_origin);
  for (const std::string& warning : in.warnings) progress.warning(warning);
  if (!in.spec.labels.empty()) progress.message("labels: " + train_labels(in));
  for (const auto& [name, split] : splits(in)) {
    loses_text(*split) ? progress.warning(describe(name, *split))
                       : progress.message(describe(name, *split));
  }

  const auto warn = [&](const std::string& text) { progress.warning(text); };
  std::unique_ptr<SequenceValues> values;
  ranks.together([&] { values = open_run_store(in, model, ranks, warn); });
  if (in.distilled) {
    progress.message(describe(*in.distilled, in.config.training.distill));
    catch_signals();
  }
  const std::optional<Distillation> distillation =
      in.distilled ? ask_teacher(in, *model->head,
                                 {.precision = model->compute_dtype,
                                  .device = device,
                                  .cache = cache_folder,
                                  .stop = stop_signal},
                                 ranks, progress)
                   : std::nullopt;
  if (in.distilled && !distillation) {
    const auto signal = static_cast<int>(ranks.max(stop_signal()));
    progress.message(fmt::format(
        "stopped by signal {} while the teacher was asked; --resume goes on from there", signal));
    return 128 + signal;
  }
  std::optional<StepProfile> profile;
  if (options.profile_steps > 0 && ranks.is_first())
    profile.emplace(run.path() / kProfileFile, options.profile_steps, device);
  Trainer trainer(model,
                  {.config = in.config,
                   .metrics = in.metrics,
                   .tokenizer = in.tokenizer,
                   .train = &*in.train.dataset,
                   .validation = in.validation.dataset ? &*in.validation.dataset : nullptr,
                   .values = values.get(),
                   .distillation = distillation ? &*distillation : nullptr,
                   .profile = profile ? &*profile : nullptr,
                   .ranks = options.ranks},
                  run, progress);
  const char* const precision = model->compute_dtype == at::kBFloat16 ? "bf16" : "fp32";
  const std::string processes =
      ranks.size() == 1 ? "" : fmt::format("{} ranks with ", ranks.size());
  progress.message(fmt::format("{} steps in {} on {}, {}{} threads, seed {}", trainer.total_steps(),
                               precision, device.str(), processes, at::get_num_threads(),
                               config.training.seed));
  if (resume) {
    trainer.resume(*resume);
    run.write_config(write_config(in.config));
    progress.message(
        fmt::format("resumed at step {} of {}", trainer.state().step, trainer.total_steps()));
  }
  cache.keep(warn);
  catch_signals();
  const int stopped_by = trainer.run();
  if (values) values->sync(ranks);
  std::vector<nlohmann::ordered_json> metrics_lines;
  if (ranks.is_first()) {
    metrics_lines = read_metrics(run.path() / kMetricsFile);
    finish_profile(profile ? &*profile : nullptr, options, run, progress);
    const std::string problem = write_learning_curve(in, trainer.state(), run, metrics_lines);
    if (!problem.empty()) progress.message(problem);
  }
  if (const int signal = stopped_by; signal != 0) {
    progress.message(fmt::format("stopped by signal {} at step {} of {}, saved", signal,
                                 trainer.state().step, trainer.total_steps()));
    return 128 + signal;
  }

  nlohmann::ordered_json report{{"task", in.task->name()},
                                {"independent_layers", in.spec.independent_layers()},
                                {"seed", config.training.seed},
                                {"precision", precision},
                                {"steps", trainer.state().step},
                                {"best_step", trainer.state().best_step},
                                {"skipped_steps", trainer.state().skipped_steps},
                                {"truncated", truncated(in)},
                                {"version", version_string()},
                                {"config", config_json(in.config)},
                                {"machine", machine_json(device, ranks.size())},
                                {"training", nullptr}};
  if (in.distilled) report["distillation"] = distillation_json(in);
  ranks.max(0);  // the first has written best/
  // Loaded as any reader of the run would. The test split is evaluated once, here.
  std::optional<Predictor> best;
  for (const auto& [name, split] : splits(in)) {
    if (name == "train") continue;
    const Dataset& dataset = *split->dataset;
    std::optional<std::vector<Outcome>> outcomes;
    if (name == "validation" && trainer.best_outcomes() != nullptr) {
      outcomes = *trainer.best_outcomes();
    } else {
      if (!best)
        best = Predictor::load(run.best(), config.training.precision, config.training.device);
      const auto outputs = best->outputs(
          dataset,
          {.should_stop = [] { return stop_signal() != 0; },
           .on_progress = [&, title = "best model, " + name](
                              int64_t done) { progress.evaluation(title, done, dataset.size()); },
           .values = values.get(),
           .ranks = &ranks});
      if (outputs) outcomes = make_outcomes(best->model(), *outputs, dataset, name);
    }
    if (!outcomes) {
      const auto signal = static_cast<int>(ranks.max(stop_signal()));
      progress.message(
          fmt::format("stopped by signal {} while the best model was evaluated", signal));
      return 128 + signal;
    }
    report[name] = score(in, *outcomes);
    for (const auto& [metric, value] : report[name]["metrics"].items()) {
      progress.message(fmt::format("{} {}: {:.4f} [{:.4f}, {:.4f}]", name, metric,
                                   value["value"].get<double>(), value["low"].get<double>(),
                                   value["high"].get<double>()));
    }
  }
  if (values) report["cache"] = report_run_store(*values, config.cache.dir, ranks, progress);
  if (const std::optional<int64_t> peak = peak_rss_bytes()) {
    report["peak_rss_bytes"] = *peak;
    progress.message(fmt::format("peak memory: {:.0f} MB", static_cast<double>(*peak) / 1e6));
  }
  report["process"] = {{"started", utc_time(started)}, {"seconds", unix_seconds() - started}};
  if (ranks.is_first()) {
    report["training"] = training_speed(metrics_lines);
    const std::string json = report.dump(2) + "\n",
                      card = model_card(in, model, report, run.best());
    write_files({{run.best() / kModelCardFile, card}, {run.path() / kReportFile, json}});
  }
  progress.message(fmt::format("best model: {}", run.best().string()));
  if (!options.evaluate_with.empty()) {
    const bool names_data = in.test.dataset || in.validation.dataset;
    progress.message(
        "next: " + shell_words({options.evaluate_with, "--checkpoint", run.path().string()}) +
        (names_data ? "" : " --data FILE (labelled examples; the run has no others)"));
  }
  return 0;
}

}  // namespace lait
