// lait-eval: evaluates checkpoints on labelled data: metrics, FLOPs, speed.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "eval/checkpoints.h"
#include "eval/choices.h"
#include "eval/evaluation.h"
#include "eval/options.h"
#include "eval/plot.h"
#include "eval/report.h"
#include "eval/seeds.h"
#include "eval/table.h"
#include "eval/value_type_effect.h"
#include "lait/base/error.h"
#include "lait/base/file_writer.h"
#include "lait/base/manual.h"
#include "lait/base/program.h"
#include "lait/base/signals.h"
#include "lait/base/terminal.h"
#include "lait/data/labels.h"
#include "lait/model/initialize.h"
#include "lait/text/tokenizer.h"

namespace {

using namespace lait;

struct Job {
  Checkpoint checkpoint;
  // At the P to evaluate.
  ModelSpec spec;
  EvaluationNames names;
  std::shared_ptr<const Dataset> dataset;
  // Of the data set.
  const std::vector<Example>* examples = nullptr;
  std::shared_ptr<const Tokenizer> tokenizer;
};

// A line on standard error. On a terminal it shows the percentage done.
class EvaluationProgress {
 public:
  EvaluationProgress(const std::string& text, int64_t total, bool quiet)
      : text_(terminal_line(text)), total_(total), quiet_(quiet), terminal_(redraws_lines()) {
    if (!terminal_ && !quiet_) show(text_ + "\n");
  }
  void operator()(int64_t done) const {
    if (quiet_ || !terminal_) return;
    show(fmt::format("\r\033[K{}{}", text_,
                     done < total_ ? fmt::format(" {} %", 100 * done / total_) : "\n"));
  }

 private:
  // A line that is redrawn must fit the width of the terminal.
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

// Finds all errors in paths, specs and data before the first evaluation.
class Jobs {
 public:
  Jobs(DataFiles files, std::string split, std::vector<int64_t> independent_layers, bool quiet)
      : files_(std::move(files)),
        split_(std::move(split)),
        quiet_(quiet),
        independent_layers_(independent_layers.begin(), independent_layers.end()) {}

  void add(const Checkpoint& checkpoint) {
    // A checkpoint can be named twice.
    if (!seen_.insert(std::filesystem::canonical(checkpoint.dir)).second) return;
    const ModelSpec spec = spec_at(checkpoint.dir);
    const EvaluationData data =
        files_.empty() ? run_data(checkpoint, split_) : named_data(checkpoint, files_);
    const LabelledData& read = examples(spec, data);
    const std::shared_ptr<const Tokenizer> tokenizer = load_tokenizer(checkpoint.dir);
    const EvaluationNames names{.checkpoint = checkpoint.dir.string(),
                                .task = spec.task,
                                .split = data.split,
                                .files = data.files,
                                .checksum = checksum(read.examples),
                                .seed = data.seed,
                                .config = data.config};
    const auto dataset = std::make_shared<const Dataset>(
        read.examples, *tokenizer,
        spec.tokenize_options(read_hf_config(checkpoint.dir), *tokenizer));
    for (const std::optional<int64_t> p : independent_layers_of(spec)) {
      const ModelSpec at_p = spec_at(checkpoint.dir, p);
      check_examples(read.examples, at_p);
      jobs_.push_back({checkpoint, at_p, names, dataset, &read.examples, tokenizer});
    }
  }
  const std::vector<Job>& all() const { return jobs_; }

 private:
  // Reads the examples once for all checkpoints that read them the same way. Reports skipped lines,
  // also with --quiet.
  const LabelledData& examples(const ModelSpec& spec, const EvaluationData& data) {
    const auto entry = examples_.try_emplace(
        {spec.task, spec.labels, data.files, data.skip_bad_lines, data.text_files});
    LabelledData& read = entry.first->second;
    if (!entry.second) return read;
    read = read_examples(spec, data);
    const std::string missing = left_out(read.counts);
    if (!missing.empty() || !quiet_) {
      show(fmt::format("lait-eval: {}: {} examples{}\n", fmt::join(data.files, ", "),
                       read.examples.size(), missing));
    }
    if (!quiet_ && !spec.labels.empty()) {
      const std::vector<std::string> order = find_task(spec.task).labels();
      show("labels: " +
           counts_of(class_counts(read.examples, spec.labels.size()), spec.labels,
                     order.empty() ? spec.labels : order) +
           "\n");
    }
    return read;
  }

  // Those that were asked for, or trained; nullopt: the checkpoint's.
  std::vector<std::optional<int64_t>> independent_layers_of(const ModelSpec& spec) const {
    if (!independent_layers_.empty()) return independent_layers_;
    if (!spec.elastic.empty()) return {spec.elastic.begin(), spec.elastic.end()};
    return {std::nullopt};
  }

  DataFiles files_;
  std::string split_;
  bool quiet_;
  std::vector<std::optional<int64_t>> independent_layers_;
  std::set<std::filesystem::path> seen_;
  std::map<std::tuple<std::string, std::vector<std::string>, DataFiles, int64_t,
                      std::map<std::string, DataFiles>>,
           LabelledData>
      examples_;
  std::vector<Job> jobs_;
};

// Loads one model for all P of a checkpoint.
class Evaluator {
 public:
  // `value_types`: those whose effect is measured.
  Evaluator(const ModelOptions& options, std::vector<std::string> value_types)
      : options_(options), value_types_(std::move(value_types)) {}

  Evaluation evaluate(const Job& job) {
    if (!predictor_ || dir_ != job.checkpoint.dir) {
      // Two models may not fit in memory.
      predictor_.reset();
      dir_ = job.checkpoint.dir;
      predictor_.emplace(Predictor::load(dir_, options_.precision(), options_.device()));
    }
    const ModelSpec& spec = job.spec;
    const EvaluationProgress progress(
        fmt::format("{} (P = {}): {}, {} examples", dir_.string(), spec.independent_layers(),
                    job.names.split, job.dataset->size()),
        job.dataset->size(), options_.quiet);
    Evaluation row = *lait::evaluate(
        predictor_->model(), spec, *job.dataset,
        metrics_of(find_task(spec.task), spec.label_kind()), job.names,
        {.batch_size = options_.batch_size, .should_stop = {}, .on_progress = progress});
    if (has_values(spec)) {
      for (const std::string& type : value_types_) {
        row.value_types.push_back(value_type_effect(predictor_->model(), job.tokenizer, spec,
                                                    *job.examples, *job.dataset, row,
                                                    choice_of<ValueType>(type)));
      }
    }
    return row;
  }

 private:
  const ModelOptions& options_;
  const std::vector<std::string> value_types_;
  std::filesystem::path dir_;
  std::optional<Predictor> predictor_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"evaluates checkpoints on labelled data: metrics, FLOPs, speed", "lait-eval"};
  std::vector<std::string> dirs, files, value_types;
  std::string split, report_dir;
  std::vector<int64_t> independent_layers;
  ModelOptions options;
  app.add_option(
         "--checkpoint", dirs,
         "a checkpoint, a run directory (its best/) or a folder of run directories; repeatable")
      ->option_text("DIR")
      ->take_all();
  auto* data_option =
      app.add_option(
             "--data", files,
             "labelled file of the checkpoint's task to use instead of the run's data; repeatable")
          ->option_text("FILE")
          ->take_all();
  app.add_option("--split", split,
                 "which of the run's data (default: test if the run has it, else validation)")
      ->check(CLI::IsMember({"test", "validation", "train"}))
      ->excludes(data_option);
  app.add_option(
         "--independent-layers", independent_layers,
         "evaluate at these P instead of those it was trained for, e.g. 0,2,4 (segment_format "
         "standalone only; a model is best at a P it was trained for)")
      ->option_text("P,...")
      ->delimiter(',');
  app.add_option("--cache-type", value_types,
                 "also evaluate with segments' values kept in these types, as --cache-type of "
                 "lait-predict keeps them, e.g. bf16,int8")
      ->option_text("TYPE,...")
      ->delimiter(',')
      ->check(CLI::IsMember(choice_names<ValueType>()));
  app.add_option("--report", report_dir, "folder for the report's files")->option_text("DIR");
  options.add_to(app);
  set_manual(
      app,
      {.synopsis =
           std::string("--checkpoint DIR... [--data FILE... | --split test|validation|train] "
                       "[--independent-layers P,...] [--cache-type TYPE,...] [--report DIR] ") +
           ModelOptions::synopsis(),
       .description = "Prints metrics with 95 % intervals, paired differences to P = 0 (the "
                      "best checkpoint at P = 0 among those given), FLOPs and speed. Paths in a "
                      "run's config are relative to the working directory, as in training.",
       .environment = compute_environment(),
       .files = {{"DIR/best/lait.yaml", "how the checkpoint reads texts"},
                 {"DIR/config.yaml", "the run's config, which names its data"},
                 {"report.json, .md, .csv",
                  "the results for programs, readers and spreadsheets (--report)"},
                 {"accuracy_vs_flops.svg", "the plot; needs gnuplot (--report)"}},
       .examples = "lait-eval --checkpoint runs/sick\n"
                   "lait-eval --checkpoint runs/p0 --checkpoint runs/p3 --data "
                   "SICK_test_annotated.txt --report reports/sick"});
  return run_program(app, argc, argv, [&] {
    initialize_numerics();
    exit_on_signals();
    if (dirs.empty())
      throw UserError(
          "--checkpoint: expected a checkpoint, a run directory or a folder of them; see --help");
    options.apply();
    if (!report_dir.empty()) check_report_folder(report_dir);
    // If nobody reads the progress any more (`2>&1 | head`), the report is still written.
    const auto at_closed_pipe = std::signal(SIGPIPE, SIG_IGN);
    Jobs jobs(files, split, independent_layers, options.quiet);
    for (const std::string& dir : dirs) {
      const FoundCheckpoints found = find_checkpoints(dir);
      for (const auto& unfinished : found.unfinished)
        show("lait-eval: " + unfinished.string() + ": left out, it has no best/ yet\n");
      for (const Checkpoint& checkpoint : found.checkpoints) jobs.add(checkpoint);
    }
    std::vector<Evaluation> rows;
    Evaluator evaluator(options, value_types);
    for (const Job& job : jobs.all()) rows.push_back(evaluator.evaluate(job));
    compare_to_p0(rows);
    add_seed_means(rows);
    std::exception_ptr not_written;
    std::string no_plot;
    if (!report_dir.empty()) {
      try {
        no_plot = write_report(rows, report_dir);
      } catch (const WriteError&) {
        // Print the results all the same.
        not_written = std::current_exception();
      }
    }
    std::signal(SIGPIPE, at_closed_pipe);
    fmt::print("{}{}", report_text(rows, terminal_width(STDOUT_FILENO)),
               value_types_text(rows, terminal_width(STDOUT_FILENO)));
    std::fflush(stdout);
    if (not_written) std::rethrow_exception(not_written);
    if (!report_dir.empty()) {
      fmt::print("report: {}\n", (std::filesystem::path(report_dir) / "report.md").string());
      if (no_plot.empty()) {
        fmt::print("plot: {}\n", (std::filesystem::path(report_dir) / kPlotFile).string());
      } else {
        show("lait-eval: no plot: " + no_plot + "\n");
      }
    }
    return kExitOk;
  });
}
