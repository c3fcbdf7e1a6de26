// The time of a run, measured on some of its steps.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <optional>

#include "lait/data/batches.h"
#include "lait/predict/frozen_plan.h"
#include "lait/predict/predictor.h"
#include "train/batch_parts.h"
#include "train/distillation.h"
#include "train/estimate.h"
#include "train/sampler.h"
#include "train/train_step.h"

namespace lait {
namespace {

// The batches to measure, in tenths of the epoch's batches sorted by length: the middle one, then a
// short and a long one in turn, so that the mean of the first one, three or five approximates the
// epoch's. Slow steps are not repeated for a better mean.
constexpr size_t kTenths[] = {5, 1, 9, 3, 7};
constexpr double kEnoughSeconds = 30;

// With batches whose segments are computed, and with such that bring what these become.
struct Seconds {
  double computed = 0, stored = 0;
  Seconds& operator+=(const Seconds& other) {
    computed += other.computed;
    stored += other.stored;
    return *this;
  }
  Seconds operator*(double factor) const { return {computed * factor, stored * factor}; }
};

// Without a store the two are the same.
Seconds seconds_of(bool has_store, const std::function<void()>& make,
                   const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration time) {
    return std::chrono::duration<double>(time).count();
  };
  const auto began = Clock::now();
  make();
  const auto made = Clock::now();
  run();
  const auto end = Clock::now();
  return {seconds(end - began), seconds(end - (has_store ? made : began))};
}

}  // namespace

TimeEstimate measure_time(Model model, const RunInputs& inputs) {
  const TrainingConfig& config = inputs.config.training;
  const Dataset& train = *inputs.train.dataset;
  const TrainingLength length = training_length(train, config);
  TimeEstimate out{.steps = length.steps};
  // It keeps nothing: what enters at the join is computed while a batch is made.
  std::optional<SequenceValues> values;
  if (!inputs.config.cache.dir.empty())
    values.emplace(model, *inputs.tokenizer, frozen_plan(model, inputs.frozen),
                   SequenceValueOptions{});
  const auto to_batch = [&](const Dataset& data, const std::vector<int64_t>& examples,
                            const Schedule& schedule, const BatchOptions& options) {
    return values ? values->whole_batch(data, examples, schedule, options)
                  : model->to_batch(data, examples, schedule, options);
  };

  std::optional<Distillation> distillation;
  if (inputs.distilled) {
    distillation.emplace(train, *model->head, inputs.distilled->labelled, config.distill.weight);
  }
  TrainStep step(model, config, out.steps);
  auto batches = epoch_batches(train, config, /*epoch=*/0);
  std::ranges::sort(batches, {}, [&](const auto& batch) { return tokens_of(train, batch); });
  const auto run_under = [&](const Schedule& schedule, const std::vector<int64_t>& examples) {
    std::vector<DeviceBatch> micro_batches;
    return seconds_of(
        values.has_value(),
        [&] {
          for (int64_t i = 0; i < config.accumulation; ++i) {
            for (auto& part : parts_of(train, examples, config)) {
              if (distillation) distillation->sort(part);
              micro_batches.push_back(to_batch(train, part, schedule, batch_options(config)));
              if (distillation) distillation->add_to(micro_batches.back(), part);
            }
          }
        },
        [&] { step.run(micro_batches, /*step=*/0).item<float>(); });  // waits for the device
  };
  // The mean of those that steps train.
  const std::vector<Schedule> schedules = model->spec.schedules();
  const auto run_batch = [&](const std::vector<int64_t>& examples) {
    Seconds sum;
    for (const Schedule& schedule : schedules) sum += run_under(schedule, examples);
    return sum * (1 / static_cast<double>(schedules.size()));
  };
  // Warms up (pages of the moments, LibTorch's caches), and takes as much memory as a run's steps.
  run_batch(batches.back());
  Seconds seconds;
  for (const size_t tenth : kTenths) {
    seconds += run_batch(batches[tenth * batches.size() / 10]);
    ++out.measured_steps;
    if (seconds.computed > kEnoughSeconds && out.measured_steps % 2 == 1) break;
  }
  out.seconds_per_step = seconds.computed / static_cast<double>(out.measured_steps);
  out.stored_seconds_per_step = seconds.stored / static_cast<double>(out.measured_steps);
  const double steps = static_cast<double>(out.steps),
               of_first_epoch = values ? steps / std::max(1.0, length.epochs) : steps;
  out.training_seconds = out.seconds_per_step * of_first_epoch +
                         out.stored_seconds_per_step * (steps - of_first_epoch);

  // A pass over a split takes the same time per token as its middle batch (run_model,
  // lait/predict/predictor.h).
  at::NoGradGuard no_grad;
  const auto pass_seconds = [&](const Split& split, const Schedule& schedule) {
    if (!split.dataset) return Seconds{};
    const auto split_batches =
        batches_by_length(*split.dataset, kEvaluationBatch, BatchBy::kExamples);
    const auto& middle = split_batches[split_batches.size() / 2];
    const auto forward = [&](const std::vector<int64_t>& batch) {
      std::optional<DeviceBatch> packed;
      return seconds_of(
          values.has_value(),
          [&] { packed.emplace(to_batch(*split.dataset, batch, schedule, {.labels = false})); },
          [&] { model->forward(*packed, Randomness{}).values.sum().item<float>(); });
    };
    forward(split_batches.front());  // the longest: warms up, and takes the memory of a pass
    double tokens = 0;
    for (const auto& batch : split_batches)
      tokens += static_cast<double>(tokens_of(*split.dataset, batch));
    return forward(middle) * (tokens / static_cast<double>(tokens_of(*split.dataset, middle)));
  };
  // As in Trainer::evaluation_due: every `every` steps and after the last step, or at the end of
  // each epoch.
  const int64_t every = config.evaluate_every;
  if (inputs.validation.dataset)
    out.evaluations =
        every > 0 ? (out.steps + every - 1) / every : std::llround(std::ceil(length.epochs));
  Seconds pass;
  for (const Schedule& schedule : schedules) pass += pass_seconds(inputs.validation, schedule);
  out.evaluation_seconds = pass_seconds(inputs.test, model->spec.schedule).computed;
  if (out.evaluations > 0)
    out.evaluation_seconds +=
        pass.computed + pass.stored * static_cast<double>(out.evaluations - 1);
  return out;
}

}  // namespace lait
