#include "train/trainer.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lait/base/error.h"
#include "lait/base/file_writer.h"
#include "lait/checkpoint/finite.h"
#include "lait/checkpoint/safetensors.h"
#include "lait/predict/predictor.h"
#include "lait/text/tokenizer.h"
#include "train/sampler.h"

namespace lait {
namespace {

constexpr const char* kModelFolder = "model";
constexpr const char* kOptimizerFile = "optimizer.safetensors";

}  // namespace

Trainer::Trainer(Model model, const TrainerInputs& inputs, RunDirectory& run, Progress& progress)
    : model_(model),
      in_(inputs),
      run_(run),
      progress_(progress),
      length_(training_length(*inputs.train, inputs.config.training)),
      step_(model, inputs.config.training, length_.steps),
      identity_{.total_steps = length_.steps,
                .precision = model->compute_dtype == at::kBFloat16 ? "bf16" : "fp32",
                .train = inputs.train->checksum(),
                .validation = inputs.validation == nullptr ? 0 : inputs.validation->checksum(),
                .threads = at::get_num_threads(),
                .device = model->device().str()} {}

void Trainer::resume(const ResumePoint& point) {
  const auto& [checkpoint, saved] = point;
  const auto& [state, identity, window, metrics_lines, best_files] = saved;
  check_same_run(checkpoint, identity, identity_);
  if (!is_possible(state, length_.steps) ||
      (state.batch > 0 &&
       state.batch >= std::ssize(epoch_batches(*in_.train, in_.config.training, state.epoch)))) {
    throw UserError(fmt::format(
        "{}: step {}, epoch {}, batch {} cannot belong to this run; start over with --overwrite",
        checkpoint.string(), state.step, state.epoch, state.batch));
  }
  const std::string other_order = other_order_of_sums(identity, identity_);
  if (!other_order.empty()) progress_.warning(other_order);
  load_weights(checkpoint / kModelFolder, model_);
  step_.optimizer().restore(SafetensorsFile(checkpoint / kOptimizerFile));
  state_ = state;
  window_.restore(window, model_->device());
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
  check_best(best_files);
}

void Trainer::check_best(const std::vector<FileSum>& expected) {
  if (!state_.best) return;
  const std::string problem = std::filesystem::exists(run_.best())
                                  ? find_damage(run_.best(), expected)
                                  : run_.best().string() + " is missing";
  best_files_ = expected;
  if (problem.empty()) return;
  rewrites_best_ = state_.best_step == state_.step;
  if (rewrites_best_)
    return progress_.warning(problem + "; the best model is that of the checkpoint, written again");
  progress_.warning(fmt::format(
      "{}; it is lost or of a later step: the best model is selected again from step {} on",
      problem, state_.step));
  state_.best.reset();
  state_.best_step = -1;
  best_files_.clear();
}

void Trainer::save() {
  check_finite();
  const SavedState saved{state_, identity_, window_.read(), run_.metrics_lines(), best_files_};
  whole_checkpoint_ = run_.save_checkpoint(
      state_.step, in_.config.output.keep, [&](const std::filesystem::path& dir) {
        save_checkpoint(model_, dir / kModelFolder,
                        {.hf_code = in_.config.output.hf_code == Switch::kOn});
        write_safetensors(dir / kOptimizerFile, step_.optimizer().state());
        write_state(dir, saved);
      });
  saved_ = true;
  window_.resume_clock();
}

bool Trainer::is_epoch_end() const { return state_.batch == 0; }

const std::vector<std::vector<int64_t>>& Trainer::batches() {
  if (batches_epoch_ != state_.epoch) {
    batches_ = epoch_batches(*in_.train, in_.config.training, state_.epoch);
    batches_epoch_ = state_.epoch;
  }
  return batches_;
}

bool Trainer::evaluation_due() const {
  if (in_.validation == nullptr || state_.step == 0) return false;
  // Once more where the best model is lost.
  if (state_.evaluated_step == state_.step) return !state_.best;
  const int64_t every = in_.config.training.evaluate_every;
  return state_.step == length_.steps || (every > 0 ? state_.step % every == 0 : is_epoch_end());
}

bool Trainer::checkpoint_due() const {
  const int64_t every = in_.config.training.checkpoint_every;
  return state_.step == length_.steps || (every > 0 ? state_.step % every == 0 : is_epoch_end());
}

double Trainer::epochs_done() {
  const double of_this =
      state_.batch == 0 ? 0
                        : static_cast<double>(state_.batch) / static_cast<double>(batches().size());
  return static_cast<double>(state_.epoch) + of_this;
}

int Trainer::run() {
  try {
    return run_steps();
  } catch (const WriteError& error) {
    progress_.finish();
    if (!whole_checkpoint_) throw;
    throw WriteError(fmt::format("{} ({} is complete: continue with --resume)", error.what(),
                                 whole_checkpoint_->string()));
  }
}

// Which lines are logged depends on the step alone, not on where a run stopped and resumed.
int Trainer::run_steps() {
  window_.resume_clock();
  if (rewrites_best_) save_best();
  while (in_.stop() == 0) {
    if (evaluation_due() && !evaluate()) break;
    if (state_.step == length_.steps && in_.validation == nullptr) save_best();
    if (state_.step > 0 && checkpoint_due()) {
      write_log();
      if (!saved_) save();
    }
    if (state_.step == length_.steps) {
      progress_.finish();
      return 0;
    }
    one_step();
  }
  if (!saved_) save();
  progress_.finish();
  return in_.stop();
}

void Trainer::one_step() {
  const TrainingConfig& config = in_.config.training;
  const auto& batches = this->batches();
  std::vector<DeviceBatch> micro_batches;
  int64_t examples = 0, tokens = 0;
  for (int64_t i = 0; i < config.accumulation && state_.batch < std::ssize(batches);
       ++i, ++state_.batch) {
    micro_batches.push_back(
        model_->to_batch(*in_.train, batches[state_.batch], model_->spec.schedule));
    examples += micro_batches.back().num_examples();
    for (int64_t e : batches[state_.batch]) tokens += in_.train->example_length(e);
  }
  const at::Tensor loss = step_.run(micro_batches, state_.step);
  window_.add(loss, step_.optimizer().gradient_norm(), examples, tokens);
  saved_ = false;
  ++state_.step;
  if (state_.batch == std::ssize(batches)) {
    ++state_.epoch;
    state_.batch = 0;
  }
  if (state_.step % config.log_every == 0 || state_.step == length_.steps) write_log();
}

void Trainer::write_log() {
  if (window_.empty()) return;
  const LogWindow window = window_.read();
  const double loss = window.loss_sum / static_cast<double>(window.steps);
  const double examples_per_s = static_cast<double>(window.examples) / window.seconds;
  train_seconds_ += window.seconds;
  trained_steps_ += window.steps;
  run_.append_metrics({{"step", state_.step},
                       {"epoch", epochs_done()},
                       {"split", "train"},
                       {"loss", loss},
                       {"gradient_norm", window.gradient_norm},
                       {"lr", step_.optimizer().learning_rate(state_.step - 1)},
                       {"examples_per_s", examples_per_s},
                       {"tokens_per_s", static_cast<double>(window.tokens) / window.seconds}});
  check_finite(window);
  progress_.update({.step = state_.step,
                    .total_steps = length_.steps,
                    .epoch = epochs_done(),
                    .total_epochs = length_.epochs,
                    .loss = loss,
                    .examples_per_s = examples_per_s,
                    .seconds_left = train_seconds_ / static_cast<double>(trained_steps_) *
                                    static_cast<double>(length_.steps - state_.step)});
  window_.clear();
  saved_ = false;
}

bool Trainer::evaluate() {
  write_log();
  check_finite();
  const double began = steady_seconds();
  const int64_t size = in_.validation->size();
  const auto outputs = run_model(
      model_, *in_.validation, model_->spec.schedule,
      {.should_stop = [&] { return in_.stop() != 0; },
       .on_progress = [&](int64_t done) { progress_.evaluation("validation", done, size); }});
  if (!outputs) return false;
  const double seconds = steady_seconds() - began;
  if (!outputs->values.isfinite().all().item<bool>())
    give_up("the model's outputs for the validation data are not finite");
  std::vector<Outcome> outcomes =
      make_outcomes(*model_->head, *outputs, *in_.validation, "validation");
  const auto metrics = compute_metrics(in_.metrics, outcomes);
  const std::string selected =
      in_.config.training.select_by.empty() ? in_.metrics.front() : in_.config.training.select_by;
  nlohmann::ordered_json line{{"step", state_.step},
                              {"epoch", epochs_done()},
                              {"split", "validation"},
                              {"loss", mean_loss(*model_->head, *outputs, *in_.validation)}};
  std::string text = fmt::format("step {}: validation", state_.step);
  for (const auto& [name, value] : metrics) {
    line[name] = value;
    text += fmt::format("  {} {:.4f}", name, value);
  }
  line["examples_per_s"] = static_cast<double>(size) / seconds;
  const double value = metrics.at(selected);
  const bool is_logged = state_.evaluated_step == state_.step;
  state_.evaluated_step = state_.step;
  if (!state_.best || better(selected, value, *state_.best)) {
    state_.best = value;
    state_.best_step = state_.step;
    save_best();
    best_outcomes_ = std::move(outcomes);
    text += "  (best so far)";
  }
  if (!is_logged) run_.append_metrics(line);
  progress_.message(text);
  saved_ = false;
  window_.resume_clock();
  return true;
}

void Trainer::save_best() {
  check_finite();
  run_.save_best([&](const std::filesystem::path& dir) {
    save_checkpoint(model_, dir, {.hf_code = in_.config.output.hf_code == Switch::kOn});
    in_.tokenizer->save(dir);
  });
  best_files_ = sum_files(run_.best());
  rewrites_best_ = false;
}

// The loss says nothing about the weights after the last step, nor about what no batch has read.
void Trainer::check_finite() {
  if (finite_step_ == state_.step) return;
  const auto tensors = step_.tensors();
  const std::vector<NotFinite> bad = not_finite(tensors);
  if (!bad.empty()) {
    give_up(fmt::format("{} of {} weights and moments are not finite (the first: {})", bad.size(),
                        tensors.size(), bad.front().name));
  }
  check_finite(window_.read());
  finite_step_ = state_.step;
}

void Trainer::check_finite(const LogWindow& window) const {
  if (!std::isfinite(window.loss_sum)) give_up("the loss is not finite");
  if (!std::isfinite(window.gradient_norm)) give_up("the gradient norm is not finite");
}

void Trainer::give_up(const std::string& problem) const {
  progress_.finish();
  throw UserError(
      fmt::format("step {}: {}; start over with a lower training.learning_rate or {} ({})",
                  state_.step, problem,
                  in_.config.training.max_grad_norm > 0 ? "training.max_grad_norm"
                                                        : "with a training.max_grad_norm",
                  whole_checkpoint_ ? "the last whole checkpoint is " + whole_checkpoint_->string()
                                    : "no checkpoint was saved before"));
}

}  // namespace lait
