// Runs of the Trainer in the test's process, which can stop it at any question whether to stop.
#pragma once
#include <ATen/Parallel.h>

#include <csignal>
#include <functional>

#include "lait/config/override.h"
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "tests/train/tiny_run.h"
#include "train/load_model.h"
#include "train/teacher_outputs.h"
#include "train/trainer.h"

namespace lait {

class TrainedHere : public TinyRun {
 protected:
  // Answers the trainer's question whether to stop, the n-th from 1.
  using Stop = std::function<int(int64_t n, Model& model)>;
  static int never(int64_t, Model&) { return 0; }

  struct Result {
    int code = 0;
    int64_t asked = 0;
    TrainerState state;
    std::optional<std::vector<Outcome>> best_outcomes;
    std::vector<std::string> warnings;  // about damaged checkpoints
  };
  // Starts the run in `dir`, or resumes it if it is there, as lait-train does.
  Result run(const std::string& dir, const Stop& stop = never) {
    const std::filesystem::path path = folder_ / dir;
    const bool resumes = std::filesystem::exists(path);
    RunDirectory directory(path, resumes ? IfExists::kResume : IfExists::kRefuse);
    if (!resumes) directory.write_config("a run");
    const RunInputs& in = inputs();
    at::set_num_threads(static_cast<int>(in.config.training.threads.count));
    Model model = load_model(in, at::kFloat);
    Result result;
    Progress progress(Says::kWarnings);
    Ranks alone;
    const std::optional<Distillation> distillation =
        in.distilled ? ask_teacher(in, *model->head, {.stop = [] { return 0; }}, alone, progress)
                     : std::nullopt;
    Trainer trainer(model,
                    {.config = in.config,
                     .metrics = in.metrics,
                     .tokenizer = in.tokenizer,
                     .train = &*in.train.dataset,
                     .validation = in.validation.dataset ? &*in.validation.dataset : nullptr,
                     .stop = [&] { return stop(++result.asked, model); },
                     .distillation = distillation ? &*distillation : nullptr},
                    directory, progress);
    if (const auto found = directory.checkpoints(); !found.empty()) {
      trainer.resume(find_resume_point(
          found, [&](const std::string& text) { result.warnings.push_back(text); }));
    } else {
      directory.truncate_metrics(0);
    }
    result.code = trainer.run();
    result.state = trainer.state();
    if (trainer.best_outcomes() != nullptr) result.best_outcomes = *trainer.best_outcomes();
    return result;
  }

  // Of a.yaml with these overrides; read once.
  void use(const std::vector<std::string>& overrides) {
    inputs_ = read_inputs(read_config(folder_ / "a.yaml", to_overrides(overrides), task_names()));
  }
  const RunInputs& inputs() {
    if (!inputs_) use({});
    return *inputs_;
  }

 private:
  std::optional<RunInputs> inputs_;
};

}  // namespace lait
