#include "eval/predictor.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <stdexcept>

#include "eval/metrics.h"
#include "lait/data/batches.h"
#include "lait/data/task.h"
#include "lait/error.h"
#include "lait/model/device.h"
#include "lait/model/device_batch.h"

namespace lait {

std::optional<at::Tensor> run_model(Model& model, const Dataset& dataset,
                                    const PredictOptions& options) {
  at::NoGradGuard no_grad;
  const PackPlan plan = model->pack_plan();
  const at::Device device = model->parameters().front().device();
  const bool regression = model->spec.head == Head::kRegression;
  const int64_t width = model->spec.num_outputs();
  at::Tensor out = at::empty({dataset.size(), width}, at::kFloat);
  float* rows = out.mutable_data_ptr<float>();
  int64_t done = 0;
  for (const std::vector<int64_t>& batch :
       batches_by_length(dataset, options.batch_size, BatchBy::kExamples)) {
    if (options.should_stop && options.should_stop()) return std::nullopt;
    const DeviceBatch packed = to_device(pack(dataset, batch, plan), device, regression);
    const at::Tensor logits =
        model->forward(packed, Randomness{}).to(at::kCPU, at::kFloat).contiguous();
    const float* from = logits.const_data_ptr<float>();
    for (size_t i = 0; i < batch.size(); ++i, from += width)
      std::copy_n(from, width, rows + batch[i] * width);
    done += static_cast<int64_t>(batch.size());
    if (options.on_progress) options.on_progress(done);
  }
  return out;
}

std::vector<Prediction> make_predictions(const at::Tensor& logits, const ModelSpec& spec) {
  const std::vector<double> predicted = predictions(logits);
  std::vector<Prediction> out(predicted.size());
  if (spec.head == Head::kRegression) {
    for (size_t i = 0; i < out.size(); ++i) out[i].score = predicted[i];
    return out;
  }
  const at::Tensor probabilities = at::softmax(logits.to(at::kDouble), 1).contiguous();
  const double* row = probabilities.const_data_ptr<double>();
  for (size_t i = 0; i < out.size(); ++i, row += spec.labels.size()) {
    const auto label = static_cast<size_t>(predicted[i]);
    out[i] = {spec.labels[label], row[label], {row, row + spec.labels.size()}};
  }
  return out;
}

void check_example(const Example& example, const ModelSpec& spec) {
  const std::vector<std::string> names = find_task(spec.task).segment_names();
  if (!names.empty() && example.segments.size() != names.size()) {
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    throw std::runtime_error("expected " + std::to_string(names.size()) + " segments (" + list +
                             "), got " + std::to_string(example.segments.size()));
  }
  if (example.segments.empty()) throw std::runtime_error("expected at least one segment, got none");
  if (example.groups.empty() && std::ranges::any_of(spec.stages, [](const Stage& s) {
        return s.num_layers > 0 && s.scope == Scope::kGroup;
      })) {
    throw std::runtime_error(
        "expected the field \"groups\", which the model's schedule has a stage for, got none");
  }
}

Predictor::Predictor(Model model, std::shared_ptr<const Tokenizer> tokenizer)
    : model_(std::move(model)), tokenizer_(std::move(tokenizer)) {}

Predictor Predictor::load(const std::filesystem::path& checkpoint, Precision precision,
                          DeviceKind device) {
  const at::Device place = resolve_device(device);
  auto tokenizer = load_tokenizer(checkpoint);
  check_fits(checkpoint, *tokenizer, read_hf_config(checkpoint));
  Model model = load_checkpoint(checkpoint, resolve_precision(precision, place));
  model->move_to(place);
  return {std::move(model), std::move(tokenizer)};
}

Predictor Predictor::load_at(const std::filesystem::path& checkpoint, int64_t independent_layers,
                             Precision precision, DeviceKind device) {
  ModelSpec spec = read_spec(checkpoint);
  const HfConfig config = read_hf_config(checkpoint);
  const int64_t num_layers = config.num_hidden_layers;
  if (independent_layers < 0 || independent_layers > num_layers) {
    throw UserError(checkpoint.string() + ": expected --independent-layers from 0 to " +
                    std::to_string(num_layers) + " (the model's layers), got " +
                    std::to_string(independent_layers));
  }
  if (spec.format == SegmentFormat::kPair) {
    throw UserError(
        checkpoint.string() +
        ": --independent-layers needs a checkpoint of segment_format standalone, got pair "
        "(the segments of a pair are one sequence); train with model.segment_format: standalone");
  }
  if (spec.pooling == Pooling::kCls && independent_layers == num_layers) {
    throw UserError(checkpoint.string() +
                    ": with pooling cls at P = " + std::to_string(num_layers) +
                    " (all layers split) the head would see the first segment only; expected "
                    "--independent-layers below " +
                    std::to_string(num_layers));
  }
  spec.stages = {{independent_layers, Scope::kSegment},
                 {num_layers - independent_layers, Scope::kExample}};
  std::erase_if(spec.stages, [](const Stage& stage) { return stage.num_layers == 0; });
  auto tokenizer = load_tokenizer(checkpoint);
  check_fits(checkpoint, *tokenizer, config);
  check_fits(checkpoint, spec, config);
  const at::Device place = resolve_device(device);
  Model model(config, spec, resolve_precision(precision, place));
  load_weights(checkpoint, model);
  model->move_to(place);
  return {std::move(model), std::move(tokenizer)};
}

Prediction Predictor::predict(std::vector<std::string> segments) {
  const Example example{.segments = std::move(segments)};
  check_example(example, spec());
  return make_predictions(*logits({&example, 1}), spec()).front();
}

Dataset Predictor::tokenize(std::span<const Example> examples) const {
  return Dataset(examples, *tokenizer_, spec().tokenize_options());
}

std::optional<at::Tensor> Predictor::logits(std::span<const Example> examples,
                                            const PredictOptions& options) {
  return run_model(model_, tokenize(examples), options);
}

}  // namespace lait
