#include "train/trainer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "lait/base/file_writer.h"
#include "lait/model/lora.h"
#include "lait/text/tokenizer.h"
#include "train/gemm_rate.h"
#include "train/sampler.h"
#include "train/validation.h"

namespace lait {

Trainer::Trainer(Model model, const TrainerInputs& inputs, RunDirectory& run, Progress& progress)
    : model_(model),
      in_(inputs),
      ranks_(*in_.ranks),
      run_(run),
      progress_(progress),
      length_(training_length(*inputs.train, inputs.config.training)),
      step_(model, inputs.config.training, length_.steps, &ranks_),
      identity_{.total_steps = length_.steps,
                .precision = model->compute_dtype == at::kBFloat16 ? "bf16" : "fp32",
                .train = inputs.train->checksum(),
                .validation = inputs.validation == nullptr ? 0 : inputs.validation->checksum(),
                .base = lora_base_sum(*model),
                .teacher = inputs.distillation == nullptr ? 0 : inputs.distillation->id(),
                .threads = at::get_num_threads(),
                .ranks = ranks_.size(),
                .device = c10::DeviceTypeName(model->device().type(), /*lower_case=*/true)},
      batches_(model, *inputs.train, inputs.config.training, ranks_, inputs.values,
               inputs.distillation),
      best_model_(model, in_.tokenizer, in_.config.output.hf_code, run) {
  gemm_flops_per_s_ = gemm_rate(model_) * ranks_.size();
}

bool Trainer::is_epoch_end() const { return state_.batch == 0; }

bool Trainer::evaluation_due() const {
  if (in_.validation == nullptr || state_.step == 0) return false;
  // Once more where the best model is lost.
  if (state_.evaluated_step == state_.step) return !state_.best;
  const int64_t every = in_.config.training.evaluate_every;
  return state_.step == length_.steps || (every > 0 ? state_.step % every == 0 : is_epoch_end());
}

bool Trainer::stopped_early() const {
  const std::optional<int64_t>& patience = in_.config.training.early_stopping.patience;
  return patience && state_.evaluations_without_improvement >= *patience;
}

bool Trainer::is_finished() const { return state_.step == length_.steps || stopped_early(); }

bool Trainer::checkpoint_due() const {
  const int64_t every = in_.config.training.checkpoint_every;
  return is_finished() || (every > 0 ? state_.step % every == 0 : is_epoch_end());
}

double Trainer::epochs_done() {
  const double of_this = state_.batch == 0
                             ? 0
                             : static_cast<double>(state_.batch) /
                                   static_cast<double>(batches_.batches_of(state_.epoch));
  return static_cast<double>(state_.epoch) + of_this;
}

int Trainer::run() {
  try {
    return run_steps();
  } catch (const WriteError& error) {
    progress_.finish();
    throw WriteError(with_checkpoint(error.what()));
  } catch (const RankLost& error) {
    progress_.finish();
    throw RankLost(with_checkpoint(error.what()));
  }
}

std::string Trainer::with_checkpoint(const std::string& problem) const {
  if (!whole_checkpoint_) return problem;
  return fmt::format("{} ({} is complete: continue with --resume)", problem,
                     whole_checkpoint_->string());
}

// All ranks stop at the same step.
int Trainer::stop_of_ranks() { return static_cast<int>(ranks_.max(in_.stop())); }

// Which lines are logged depends on the step alone, not on where a run stopped and resumed.
int Trainer::run_steps() {
  window_.resume_clock();
  if (rewrites_best_) save_best();
  int stopped = 0;
  while ((stopped = stop_of_ranks()) == 0) {
    if (evaluation_due() && !evaluate()) continue;  // interrupted
    if (is_finished()) check_last_step();
    if (is_finished() && in_.validation == nullptr) save_best();
    if (state_.step > 0 && checkpoint_due()) {
      write_log();
      // After a step that was left out, the checkpoint before is the better one.
      if (!saved_ && (is_finished() || read_window().skipped_in_a_row == 0)) save();
    }
    if (is_finished()) {
      progress_.finish();
      return 0;
    }
    if (in_.profile != nullptr) in_.profile->begin_step(state_.step);
    one_step();
    if (in_.profile != nullptr) in_.profile->end_step();
  }
  if (!saved_) save();
  progress_.finish();
  return stopped;
}

void Trainer::one_step() {
  const StepBatches step = batches_.make({state_.step, state_.epoch, state_.batch});
  if (state_.step + 1 < length_.steps) batches_.prepare(step.next);
  const at::Tensor loss = step_.run(step.micro_batches, step.part.shares, state_.step);
  window_.add(loss, step_.optimizer().gradient_norm(), step.part);
  saved_ = false;
  ++state_.step;
  state_.epoch = step.next.epoch;
  state_.batch = step.next.batch;
  // The next epoch finds what any rank has computed in this one.
  if (is_epoch_end() && in_.values != nullptr) in_.values->sync(ranks_);
  if (state_.step % in_.config.training.log_every == 0 || state_.step == length_.steps) write_log();
}

// With the losses of all ranks.
LogWindow Trainer::read_window() {
  LogWindow window = window_.read();
  at::Tensor loss_sum = at::full({1}, window.loss_sum, at::kFloat);
  ranks_.sum(loss_sum);
  window.loss_sum = loss_sum.item<double>();
  return window;
}

void Trainer::write_log() {
  if (window_.empty()) return;
  const LogWindow window = read_window();
  const int64_t counted = window.steps - window.skipped;
  const double loss = window.loss_sum / static_cast<double>(counted);
  const double examples_per_s = static_cast<double>(window.examples) / window.seconds;
  const double tokens_per_s = static_cast<double>(window.tokens) / window.seconds,
               flops_per_s = window.flops / window.seconds;
  train_seconds_ += window.seconds;
  trained_steps_ += window.steps;
  nlohmann::ordered_json line{{"step", state_.step},
                              {"epoch", epochs_done()},
                              {"split", "train"},
                              {"loss", loss},
                              {"gradient_norm", window.gradient_norm},
                              {"lr", step_.optimizer().learning_rate(state_.step - 1)},
                              {"examples_per_s", examples_per_s},
                              {"tokens_per_s", tokens_per_s},
                              {"flops_per_s", flops_per_s},
                              {"seconds", window.seconds}};
  if (window.skipped > 0) {
    line["skipped_steps"] = window.skipped;
    progress_.warning(
        fmt::format("step {}: {} of the last {} steps left out, since the gradient was "
                    "not finite",
                    state_.step, window.skipped, window.steps));
  }
  run_.append_metrics(line);
  check_finite(window);
  state_.skipped_steps += window.skipped;
  progress_.update({.step = state_.step,
                    .total_steps = length_.steps,
                    .epoch = epochs_done(),
                    .total_epochs = length_.epochs,
                    .loss = loss,
                    .metric = metric_,
                    .examples_per_s = examples_per_s,
                    .tokens_per_s = tokens_per_s,
                    .flops_per_s = flops_per_s,
                    .gemm_flops_per_s = gemm_flops_per_s_,
                    .seconds_left = train_seconds_ / static_cast<double>(trained_steps_) *
                                    static_cast<double>(length_.steps - state_.step),
                    .stored = stored_share()});
  window_.clear();
  saved_ = false;
}

// Since the last call.
std::optional<double> Trainer::stored_share() {
  if (in_.values == nullptr) return std::nullopt;
  const SequenceValues::Counts now = in_.values->counts(),
                               before = std::exchange(logged_values_, now);
  const int64_t found = now.found - before.found, computed = now.computed - before.computed;
  if (found + computed == 0) return std::nullopt;
  return static_cast<double>(found) / static_cast<double>(found + computed);
}

void Trainer::count_improvement(const std::string& metric, double value) {
  const double min_change = in_.config.training.early_stopping.min_change;
  const bool improves = !state_.best || (better(metric, value, *state_.best) &&
                                         std::abs(value - *state_.best) > min_change);
  state_.evaluations_without_improvement =
      improves ? 0 : state_.evaluations_without_improvement + 1;
}

namespace {

nlohmann::ordered_json to_json(const ValidationScores& scores) {
  nlohmann::ordered_json json{{"loss", scores.loss}};
  for (const auto& [name, value] : scores.metrics) json[name] = value;
  return json;
}

std::string in_words(const ValidationScores& scores) {
  std::string text;
  for (const auto& [name, value] : scores.metrics) text += fmt::format("  {} {:.4f}", name, value);
  return text;
}

}  // namespace

bool Trainer::evaluate() {
  write_log();
  check_finite();
  const TrainStep::AsSaved as_saved(step_);
  const double began = steady_seconds();
  const int64_t size = in_.validation->size();
  auto found = validate(
      model_, *in_.validation, in_.metrics,
      {.should_stop = [&] { return in_.stop() != 0; },
       .on_progress = [&](int64_t done) { progress_.evaluation("validation", done, size); },
       .values = in_.values,
       .ranks = &ranks_});
  if (in_.values != nullptr) in_.values->sync(ranks_);
  stored_share();  // training's are shown
  if (!found) return false;
  const double seconds = steady_seconds() - began;
  if (!found->is_finite) give_up("the model's outputs for the validation data are not finite");
  const std::string selected =
      in_.config.training.select_by.empty() ? in_.metrics.front() : in_.config.training.select_by;
  nlohmann::ordered_json line{
      {"step", state_.step}, {"epoch", epochs_done()}, {"split", "validation"}};
  line.update(to_json(found->mean));
  std::string text = fmt::format("step {}: validation{}", state_.step, in_words(found->mean));
  if (in_.validation->has_windows()) line["no_answer_threshold"] = model_->spec.no_answer_threshold;
  const auto& each = found->by_independent_layers;
  for (const auto& [p, scores] : each) {
    line["by_independent_layers"][std::to_string(p)] = to_json(scores);
    progress_.message(
        fmt::format("step {}: validation at P = {}{}", state_.step, p, in_words(scores)));
  }
  if (!each.empty()) text += fmt::format("  (mean of {} P)", each.size());
  line["examples_per_s"] =
      static_cast<double>(size * std::max<int64_t>(1, std::ssize(each))) / seconds;
  const double value = found->mean.metrics.at(selected);
  metric_ = fmt::format("{} {:.4f}", selected, value);
  const bool is_logged = state_.evaluated_step == state_.step;
  state_.evaluated_step = state_.step;
  if (!is_logged) count_improvement(selected, value);
  if (!state_.best || better(selected, value, *state_.best)) {
    state_.best = value;
    state_.best_step = state_.step;
    save_best();
    best_outcomes_ = std::move(found->outcomes);
    text += "  (best so far)";
  }
  if (!is_logged) run_.append_metrics(line);
  progress_.message(text);
  if (stopped_early() && state_.step < length_.steps) {
    progress_.message(fmt::format(
        "step {}: {} evaluations without an improvement (training.early_stopping), so training "
        "ends; the best model is that of step {}",
        state_.step, state_.evaluations_without_improvement, state_.best_step));
  }
  saved_ = false;
  window_.resume_clock();
  return true;
}

}  // namespace lait
