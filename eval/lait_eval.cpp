// lait-eval: scores checkpoints on labelled data, and what their schedules save.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "eval/checkpoints.h"
#include "eval/evaluation.h"
#include "eval/options.h"
#include "eval/plot.h"
#include "eval/report.h"
#include "eval/stop_signals.h"
#include "eval/table.h"
#include "lait/data/labels.h"
#include "lait/error.h"
#include "lait/manual.h"
#include "lait/program.h"
#include "lait/terminal.h"

namespace {

using namespace lait;

struct Job {
  Checkpoint checkpoint;
  std::optional<int64_t> independent_layers;  // other than the checkpoint's own
  EvaluationData data;
  const std::vector<Example>* examples = nullptr;
};

// A line on standard error that counts along on a terminal.
class EvaluationProgress {
 public:
  EvaluationProgress(const std::string& text, int64_t total, bool quiet)
      : text_(terminal_line(text)), total_(total), quiet_(quiet), terminal_(redraws_lines()) {
    if (!terminal_ && !quiet_) fmt::print(stderr, "{}\n", text_);
  }
  void operator()(int64_t done) const {
    if (quiet_ || !terminal_) return;
    fmt::print(stderr, "\r\033[K{}{}", text_,
               done < total_ ? fmt::format(" {} %", 100 * done / total_) : "\n");
    std::fflush(stderr);
  }

 private:
  // A line that is drawn anew must not be longer than the terminal's.
  static std::string terminal_line(const std::string& text) {
    constexpr size_t kPercent = 6;
    const auto width = terminal_width(STDERR_FILENO);
    return redraws_lines() && width ? keep_end(text, std::max(*width, 2 * kPercent) - kPercent)
                                    : text;
  }

  std::string text_;
  int64_t total_;
  bool quiet_, terminal_;
};

Evaluation evaluate_job(const Job& job, const ModelOptions& options) {
  Predictor predictor =
      job.independent_layers
          ? Predictor::load_at(job.checkpoint.dir, *job.independent_layers, options.precision(),
                               options.device())
          : Predictor::load(job.checkpoint.dir, options.precision(), options.device());
  const ModelSpec& spec = predictor.spec();
  const Dataset dataset = predictor.tokenize(*job.examples);
  const EvaluationProgress progress(
      fmt::format("{} (P = {}): {}, {} examples", job.checkpoint.dir.string(),
                  spec.independent_layers(), job.data.split, dataset.size()),
      dataset.size(), options.quiet);
  return *evaluate(predictor.model(), dataset, metrics_of(find_task(spec.task), spec.head),
                   {job.checkpoint.dir.string(), spec.task, job.data.split},
                   {.batch_size = options.batch_size, .should_stop = {}, .on_progress = progress});
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"scores checkpoints on labelled data, and what their schedules save", "lait-eval"};
  std::vector<std::string> dirs, files;
  std::string split, report_dir;
  std::vector<int64_t> independent_layers;
  ModelOptions options;
  app.add_option(
         "--checkpoint", dirs,
         "a checkpoint, a run directory (its best/) or a folder of run directories; repeatable")
      ->option_text("DIR")
      ->take_all();
  auto* data_option =
      app.add_option("--data", files,
                     "labelled file of the checkpoint's task instead of the run's own; repeatable")
          ->option_text("FILE")
          ->take_all();
  app.add_option("--split", split,
                 "which of the run's data (default: test where the run has it, else validation)")
      ->check(CLI::IsMember({"test", "validation", "train"}))
      ->excludes(data_option);
  app.add_option("--independent-layers", independent_layers,
                 "evaluate at these P instead of the trained one, e.g. 0,2,4 (segment_format "
                 "standalone only; a model is at its best "
                 "at the P it was trained for)")
      ->option_text("P,...")
      ->delimiter(',');
  app.add_option("--report", report_dir, "folder for the report's files")->option_text("DIR");
  options.add_to(app);
  set_manual(
      app, {.synopsis =
                std::string("--checkpoint DIR... [--data FILE... | --split test|validation|train] "
                            "[--independent-layers P,...] [--report DIR] ") +
                ModelOptions::synopsis(),
            .description = "Prints metrics with 95 % intervals, paired differences to P = 0 (the "
                           "best checkpoint at P = 0 among those given), "
                           "FLOPs and speed. Paths of a run's data are taken from the working "
                           "directory, as in training.",
            .environment = compute_environment(),
            .files = {{"DIR/best/lait.yaml", "how the checkpoint reads texts"},
                      {"DIR/config.yaml", "the run's config, which names its data"},
                      {"report.json, .md, .csv",
                       "the rows, for programs, for reading, for spreadsheets (--report)"},
                      {"accuracy_vs_flops.svg", "the plot; needs gnuplot (--report)"}},
            .examples = "lait-eval --checkpoint runs/sick\n"
                        "lait-eval --checkpoint runs/p0 --checkpoint runs/p3 --data "
                        "SICK_test_annotated.txt --report reports/sick"});
  return run_program(app, argc, argv, [&] {
    exit_on_signals();
    if (dirs.empty())
      throw UserError(
          "--checkpoint: expected a checkpoint, a run directory or a folder of them; see --help");
    options.apply();
    if (!report_dir.empty()) check_report_folder(report_dir);
    // Everything that can be wrong with paths, specs and data is found before the first evaluation.
    std::vector<Job> jobs;
    std::map<std::tuple<std::string, std::vector<std::string>, std::vector<std::string>>,
             std::vector<Example>>
        examples;
    for (const std::string& dir : dirs) {
      for (const Checkpoint& checkpoint : find_checkpoints(dir)) {
        const ModelSpec spec = read_spec(checkpoint.dir);
        EvaluationData data =
            files.empty() ? run_data(checkpoint, split)
                          : EvaluationData{fmt::format("{}", fmt::join(files, ", ")), files};
        const auto [found, is_new] = examples.try_emplace({spec.task, spec.labels, data.files});
        if (is_new) found->second = read_examples(spec, data);
        if (independent_layers.empty())
          jobs.push_back({checkpoint, std::nullopt, data, &found->second});
        for (int64_t p : independent_layers) jobs.push_back({checkpoint, p, data, &found->second});
      }
    }
    std::vector<Evaluation> rows;
    rows.reserve(jobs.size());
    for (const Job& job : jobs) rows.push_back(evaluate_job(job, options));
    compare_to_p0(rows);
    std::string problem;
    if (!report_dir.empty())
      problem = write_report(rows, report_dir);  // first: a closed pipe ends the program
    fmt::print("{}", report_text(rows, terminal_width(STDOUT_FILENO)));
    std::fflush(stdout);
    if (!report_dir.empty()) {
      fmt::print("report: {}\n", (std::filesystem::path(report_dir) / "report.md").string());
      if (problem.empty()) {
        fmt::print("plot: {}\n", (std::filesystem::path(report_dir) / kPlotFile).string());
      } else {
        fmt::print(stderr, "lait-eval: no plot: {}\n", problem);
      }
    }
    return kExitOk;
  });
}
