// What a Trainer saves, and where it resumes.
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <cmath>

#include "lait/base/error.h"
#include "lait/checkpoint/finite.h"
#include "lait/checkpoint/safetensors.h"
#include "train/trainer.h"

namespace lait {
namespace {

constexpr const char* kModelFolder = "model";
constexpr const char* kOptimizerFile = "optimizer.safetensors";

}  // namespace

void Trainer::resume(const ResumePoint& point) {
  ranks_.together([&] { restore(point); });
  check_best(point.saved.best_files);
}

void Trainer::restore(const ResumePoint& point) {
  const auto& [checkpoint, saved] = point;
  const auto& [state, identity, window, loss_sums, metrics_lines, best_files] = saved;
  check_same_run(checkpoint, identity, identity_);
  if (!is_possible(state, length_.steps) ||
      (state.batch > 0 && state.batch >= batches_.batches_of(state.epoch))) {
    throw UserError(fmt::format(
        "{}: step {}, epoch {}, batch {} cannot belong to this run; start over with --overwrite",
        checkpoint.string(), state.step, state.epoch, state.batch));
  }
  const std::string other_order = other_order_of_sums(identity, identity_);
  if (!other_order.empty()) progress_.warning(other_order);
  {
    const MergedLora merged(model_);
    load_weights(checkpoint / kModelFolder, model_);
  }
  // The pretrained model may have changed on the disk since the run began.
  if (in_.values != nullptr) in_.values->rekey(*in_.tokenizer);
  step_.restore(SafetensorsFile(checkpoint / kOptimizerFile));
  state_ = state;
  LogWindow mine = window;
  if (std::ssize(loss_sums) == ranks_.size()) {
    mine.loss_sum = loss_sums[static_cast<size_t>(ranks_.rank())];
  } else if (!ranks_.is_first()) {
    mine.loss_sum = 0;
  }
  window_.restore(mine, model_->device());
  saved_ = true;
  whole_checkpoint_ = checkpoint;
  run_.truncate_metrics(state_.step, metrics_lines);
  if (run_.metrics_lines() < metrics_lines.value_or(0)) {
    progress_.warning(
        fmt::format("{}: expected the {} lines that {} was saved with, got {}; the others are not "
                    "written again",
                    (run_.path() / "metrics.jsonl").string(), *metrics_lines,
                    checkpoint.filename().string(), run_.metrics_lines()));
  }
}

void Trainer::check_best(const std::vector<FileSum>& expected) {
  if (!state_.best) return;
  std::string problem;
  ranks_.together([&] {
    if (ranks_.is_first()) problem = best_model_.adopt(expected);
  });
  problem = ranks_.gather(problem).front();
  if (problem.empty()) return;
  rewrites_best_ = state_.best_step == state_.step;
  if (rewrites_best_)
    return progress_.warning(problem + "; the best model is that of the checkpoint, written again");
  progress_.warning(fmt::format(
      "{}; it is lost or of a later step: the best model is selected again from step {} on",
      problem, state_.step));
  state_.best.reset();
  state_.best_step = -1;
  best_model_.forget();
}

void Trainer::save() {
  check_finite();
  if (in_.values != nullptr) in_.values->commit();  // for the run that resumes
  std::vector<double> loss_sums;
  if (ranks_.size() > 1) {
    for (const at::Tensor& sum : ranks_.gather(at::full({1}, window_.read().loss_sum, at::kDouble)))
      loss_sums.push_back(sum.item<double>());
  }
  const SavedState saved{
      state_, identity_, read_window(), loss_sums, run_.metrics_lines(), best_model_.files()};
  const auto moments = step_.whole_state();
  const MergedLora merged(model_);
  const std::filesystem::path checkpoint = run_.save_checkpoint(
      state_.step, in_.config.output.keep, [&](const std::filesystem::path& dir) {
        save_checkpoint(model_, dir / kModelFolder,
                        {.hf_code = in_.config.output.hf_code == Switch::kOn});
        write_safetensors(dir / kOptimizerFile, moments);
        write_state(dir, saved);
      });
  ranks_.max(0);  // the first rank has written it
  whole_checkpoint_ = checkpoint;
  saved_ = true;
  window_.resume_clock();
}

void Trainer::save_best() {
  check_finite();
  const TrainStep::AsSaved as_saved(step_);
  best_model_.save();
  rewrites_best_ = false;
}

// The loss says nothing about the weights after the last step, nor about what no batch has read.
void Trainer::check_finite() {
  if (finite_step_ == state_.step) return;
  const auto tensors = step_.tensors();
  std::string problem;
  if (const std::vector<NotFinite> bad = not_finite(tensors); !bad.empty()) {
    problem = fmt::format("{} of {} weights and moments are not finite (the first: {})", bad.size(),
                          tensors.size(), bad.front().name);
  }
  // Ranks may have different moments.
  for (const std::string& text : ranks_.gather(problem)) {
    if (!text.empty()) give_up(text);
  }
  check_finite(read_window());
  finite_step_ = state_.step;
}

// A run does not end with a model of which training has lost the way.
void Trainer::check_last_step() {
  if (const LogWindow window = read_window(); window.skipped_in_a_row > 0)
    give_up("the last step's gradient is not finite");
}

void Trainer::check_finite(const LogWindow& window) const {
  if (!std::isfinite(window.loss_sum)) give_up("the loss is not finite");
  if (window.skipped_in_a_row > in_.config.training.max_skipped_steps) {
    give_up(
        fmt::format("the gradients of the last {} steps are not finite "
                    "(training.max_skipped_steps)",
                    window.skipped_in_a_row));
  }
}

// All ranks do, for what they know is the same; the first one says so.
void Trainer::give_up(const std::string& problem) const {
  progress_.finish();
  if (!ranks_.is_first()) throw SaidByAnotherRank(problem);
  throw UserError(
      fmt::format("step {}: {}; start over with a lower training.learning_rate or {} ({})",
                  state_.step, problem,
                  in_.config.training.max_grad_norm > 0 ? "training.max_grad_norm"
                                                        : "with a training.max_grad_norm",
                  whole_checkpoint_ ? "the last whole checkpoint is " + whole_checkpoint_->string()
                                    : "no checkpoint was saved before"));
}

}  // namespace lait
