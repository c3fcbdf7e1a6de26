#include "train/step_batches.h"

#include <ATen/Parallel.h>
#include <omp.h>

#include <algorithm>

#include "eval/decoder_flops.h"
#include "eval/flops.h"
#include "kernels/philox.h"
#include "train/sampler.h"

namespace lait {
namespace {

// Of each layer, in forwards: 1, 1 more for the gradients of what enters it if something below is
// trained, or in it, and 1 more for those of its weights.
std::vector<double> forwards_of(const Model& model) {
  using Part = ParameterRole::Part;
  std::vector<double> out(static_cast<size_t>(model->config.num_hidden_layers), 2);
  int64_t lowest = model->config.num_hidden_layers;
  for (const ModelParameter& parameter : model->trained_parameters()) {
    const Part part = parameter.role.part;
    if (part == Part::kHead || part == Part::kTop || part == Part::kDecoderLayer) continue;
    const bool layer = part == Part::kEncoderLayer;
    lowest = std::min(lowest, layer ? parameter.role.layer : 0);
    const bool weights =
        !parameter.adapter && parameter.role.kind != ParameterRole::Kind::kLexicalBias;
    if (layer && weights) out[parameter.role.layer] = 3;
  }
  std::fill_n(out.begin(), lowest, 1);
  return out;
}

}  // namespace

size_t schedule_of_step(size_t num_schedules, uint64_t seed, int64_t step) {
  if (num_schedules == 1) return 0;
  const auto words =
      kernels::philox(static_cast<uint32_t>(step), 0, 0, 0xFFFFFFFDu, static_cast<uint32_t>(seed),
                      static_cast<uint32_t>(seed >> 32));
  return ((uint64_t{words.word[0]} << 32) | words.word[1]) % num_schedules;
}

ExampleCosts training_costs(const Model& model, const Dataset& dataset, const Schedule& schedule) {
  const auto flops = [&dataset, model, plan = model->pack_plan(schedule),
                      costs = model->config.family->costs(model->config).layer,
                      forwards = forwards_of(model)](int64_t example) {
    double sum = 0;
    size_t layer = 0;
    for (const LayerWork& work : layer_work(dataset, example, plan, Execution::kLait))
      sum += count_flops(work, costs).encoder * forwards[layer++];
    return sum + 3 * decoder_flops(model, dataset, example, /*labels_only=*/true).total();
  };
  const auto weight = [head = model->head, &dataset](int64_t example) {
    return head->example_weight(dataset.example(example).label);
  };
  return {.flops = flops, .weight = weight};
}

namespace {

// Of an example's forward, in the layers below the join.
std::function<double(int64_t)> flops_below_join(const Model& model, const Dataset& dataset,
                                                size_t join) {
  return [&dataset, join, plan = model->pack_plan(model->spec.schedule),
          costs = model->config.family->costs(model->config).layer](int64_t example) {
    const std::vector<LayerWork> work = layer_work(dataset, example, plan, Execution::kLait);
    double sum = 0;
    for (size_t layer = 0; layer < join; ++layer) sum += count_flops(work[layer], costs).encoder;
    return sum;
  };
}

}  // namespace

StepMaker::StepMaker(Model model, const Dataset& dataset, const TrainingConfig& config,
                     const Ranks& ranks, SequenceValues* values, const Distillation* distillation)
    : model_(model),
      dataset_(dataset),
      config_(config),
      ranks_(ranks),
      values_(values),
      distillation_(distillation) {
  for (const Schedule& schedule : model->spec.schedules()) {
    ExampleCosts costs = training_costs(model, dataset, schedule);
    if (distillation_ != nullptr)
      costs.weight = [distillation](int64_t i) { return distillation->example_weight(i); };
    trained_.push_back({schedule, std::move(costs)});
  }
  if (values_ != nullptr)
    trained_.front().costs.stored_flops = flops_below_join(model, dataset, values_->plan().join);
}

const std::vector<std::vector<int64_t>>& StepMaker::epoch(int64_t epoch) {
  if (epoch_ != epoch) {
    epoch_batches_ = epoch_batches(dataset_, config_, epoch);
    epoch_ = epoch;
  }
  return epoch_batches_;
}

int64_t StepMaker::batches_of(int64_t epoch) {
  if (future_.valid()) future_.wait();
  return std::ssize(this->epoch(epoch));
}

StepBatches StepMaker::made(BatchPosition position) {
  const auto& batches = epoch(position.epoch);
  const auto count = std::min(config_.accumulation, std::ssize(batches) - position.batch);
  const auto& [schedule, costs] =
      trained_[schedule_of_step(trained_.size(), config_.seed, position.step)];
  StepBatches step;
  step.part = part_of_step(dataset_, std::span(batches).subspan(position.batch, count),
                           ranks_.rank(), ranks_.size(), config_.max_tokens_per_device, costs);
  const BatchOptions options = batch_options(config_);
  for (auto& examples : step.part.micro_batches) {
    if (distillation_ != nullptr) distillation_->sort(examples);
    step.micro_batches.push_back(values_ != nullptr
                                     ? values_->to_batch(dataset_, examples, schedule, options)
                                     : model_->to_batch(dataset_, examples, schedule, options));
    if (distillation_ != nullptr) distillation_->add_to(step.micro_batches.back(), examples);
  }
  step.next = {position.step + 1, position.epoch, position.batch + count};
  if (step.next.batch == std::ssize(batches))
    step.next = {position.step + 1, position.epoch + 1, 0};
  return step;
}

StepBatches StepMaker::make(BatchPosition position) {
  if (future_.valid()) {
    StepBatches step = future_.get();
    if (prepared_ == position) return complete(std::move(step));
  }
  return complete(made(position));
}

StepBatches StepMaker::complete(StepBatches step) {
  if (values_ == nullptr) return step;
  for (DeviceBatch& batch : step.micro_batches) values_->complete(batch, dataset_);
  return step;
}

void StepMaker::prepare(BatchPosition position) {
  prepared_ = position;
  future_ = std::async(std::launch::async, [this, position] {
    // Of this thread, since the others compute. LibTorch's first question sets it, too.
    at::get_num_threads();
    omp_set_num_threads(1);
    return made(position);
  });
}

}  // namespace lait
