#include "lait/predict/predictor.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>

#include <algorithm>

#include "lait/base/error.h"
#include "lait/data/batches.h"
#include "lait/model/device.h"
#include "lait/model/device_batch.h"

namespace lait {

namespace {

// (examples of the batch, K) float on the CPU, rows one behind the other.
at::Tensor batch_logits(Model& model, const Dataset& dataset, const std::vector<int64_t>& batch) {
  const at::Device device = model->classifier->weight.device();
  const bool regression = model->spec.head == Head::kRegression;
  const DeviceBatch packed =
      to_device(pack(dataset, batch, model->pack_plan()), device, regression);
  return model->forward(packed, Randomness{}).to(at::kCPU, at::kFloat).contiguous();
}

}  // namespace

std::optional<at::Tensor> run_model(Model& model, const Dataset& dataset,
                                    const PredictOptions& options) {
  at::NoGradGuard no_grad;
  const int64_t width = model->spec.num_outputs();
  at::Tensor out = at::empty({dataset.size(), width}, at::kFloat);
  float* rows = out.mutable_data_ptr<float>();
  int64_t done = 0;
  for (const std::vector<int64_t>& batch :
       batches_by_length(dataset, options.batch_size, BatchBy::kExamples)) {
    if (options.should_stop && options.should_stop()) return std::nullopt;
    const at::Tensor logits = batch_logits(model, dataset, batch);
    const float* from = logits.const_data_ptr<float>();
    for (size_t i = 0; i < batch.size(); ++i, from += width)
      std::copy_n(from, width, rows + batch[i] * width);
    done += static_cast<int64_t>(batch.size());
    if (options.on_progress) options.on_progress(done);
  }
  return out;
}

void warm_up(Model& model, const Dataset& dataset, int64_t batch_size) {
  at::NoGradGuard no_grad;
  const auto batches = batches_by_length(dataset, batch_size, BatchBy::kExamples);
  if (!batches.empty()) batch_logits(model, dataset, batches.front());
}

std::vector<double> predictions(const at::Tensor& logits) {
  const at::Tensor rows = logits.to(at::kCPU, at::kFloat).contiguous();
  const int64_t num_rows = rows.size(0), width = rows.size(1);
  const float* data = rows.const_data_ptr<float>();
  std::vector<double> out(num_rows);
  for (int64_t i = 0; i < num_rows; ++i, data += width) {
    out[i] = width == 1 ? *data : static_cast<double>(std::max_element(data, data + width) - data);
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

ModelSpec spec_at(const std::filesystem::path& checkpoint,
                  std::optional<int64_t> independent_layers) {
  ModelSpec spec = read_spec(checkpoint);
  const HfConfig config = read_hf_config(checkpoint);
  check_fits(checkpoint, spec, config);
  if (!independent_layers) return spec;
  const int64_t p = *independent_layers, num_layers = config.num_hidden_layers;
  if (p < 0 || p > num_layers) {
    throw UserError(checkpoint.string() + ": expected --independent-layers from 0 to " +
                    std::to_string(num_layers) + " (the model's layers), got " + std::to_string(p));
  }
  if (spec.format == SegmentFormat::kPair) {
    throw UserError(
        checkpoint.string() +
        ": --independent-layers needs a checkpoint of segment_format standalone, got pair "
        "(the segments of a pair are one sequence); train with model.segment_format: standalone");
  }
  if (spec.pooling == Pooling::kCls && p == num_layers) {
    throw UserError(checkpoint.string() +
                    ": with pooling cls at P = " + std::to_string(num_layers) +
                    " (all layers split) the head would see the first segment only; expected "
                    "--independent-layers below " +
                    std::to_string(num_layers));
  }
  spec.stages = {{p, Scope::kSegment}, {num_layers - p, Scope::kExample}};
  std::erase_if(spec.stages, [](const Stage& stage) { return stage.num_layers == 0; });
  return spec;
}

Predictor::Predictor(Model model, std::shared_ptr<const Tokenizer> tokenizer)
    : model_(std::move(model)), tokenizer_(std::move(tokenizer)) {}

Predictor Predictor::load(const std::filesystem::path& checkpoint, Precision precision,
                          DeviceKind device, std::optional<int64_t> independent_layers) {
  const at::Device place = resolve_device(device);
  const ModelSpec spec = spec_at(checkpoint, independent_layers);
  auto tokenizer = load_tokenizer(checkpoint);
  check_fits(checkpoint, *tokenizer, read_hf_config(checkpoint));
  Model model = load_checkpoint(checkpoint, spec, resolve_precision(precision, place));
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
