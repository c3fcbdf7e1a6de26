#include "train/estimate.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <numeric>

#include "lait/data/batches.h"
#include "lait/ops/ops.h"
#include "lait/predict/predictor.h"
#include "train/sampler.h"
#include "train/train_step.h"

namespace lait {
namespace {

int64_t tokens_of(const Dataset& dataset, const std::vector<int64_t>& batch) {
  int64_t tokens = 0;
  for (const int64_t example : batch) tokens += dataset.example_length(example);
  return tokens;
}

// ---- memory -----------------------------------------------------------------------------------------------------------

constexpr int64_t kReal = sizeof(float);

// Bytes by part of the model: [0] embeddings, [1 + l] layer l, the last one the head with the pooler.
using Parts = std::vector<int64_t>;

int64_t total_of(const Parts& parts) { return std::reduce(parts.begin(), parts.end()); }

size_t part_of(const std::string& parameter, const HfConfig& config) {
  static constexpr std::string_view kLayer = "bert.encoder.layer.";
  if (parameter.starts_with("bert.embeddings.")) return 0;
  if (parameter.starts_with(kLayer)) return 1 + std::stoul(parameter.substr(kLayer.size()));
  return 1 + static_cast<size_t>(config.num_hidden_layers);
}

// What each layer works on, as lait/model/bert.cpp walks the schedule.
struct LayerRows {
  int64_t entering;  // rows whose keys and values are made
  int64_t
      finished;  // rows whose queries are, and everything after them: fewer where only first rows are read
};

std::vector<LayerRows> layer_rows(const PackedBatch& batch, const Model& model) {
  std::vector<LayerRows> out;
  size_t level = 0;
  for (const Stage& stage : model->spec.stages) {
    for (int64_t i = 0; i < stage.num_layers; ++i) {
      if (stage.scope > batch.levels[level].scope) ++level;
      out.push_back({batch.levels[level].num_rows, batch.levels[level].num_rows});
    }
  }
  if (batch.first_rows.num_rows > 0) out.back().finished = batch.first_rows.num_rows;
  return out;
}

// What forward leaves for backward: the tensors that LibTorch's layer norm and GELU save, and the operators of lait/ops. Each
// is counted where it is made, once, however many nodes save it. Dropout draws its mask again and saves none, nor does a join;
// what is only added, rounded or averaged is not saved. The batch's integers are the data's, not tensors of the step.
Parts saved_bytes(const PackedBatch& batch, const Model& model) {
  const HfConfig& config = model->config;
  const int64_t width = config.hidden_size, inner = config.intermediate_size;
  const auto element = static_cast<int64_t>(c10::elementSize(model->compute_dtype));
  const int64_t norm =
      kReal * (width + 2);  // a row of a norm's input in float, its mean and deviation
  Parts parts{batch.levels[0].num_rows * (norm + width * element)};  // and the first layer's input
  const std::vector<LayerRows> layers = layer_rows(batch, model);
  for (size_t l = 0; l < layers.size(); ++l) {
    const auto [entering, finished] = layers[l];
    int64_t bytes = entering * 2 * width * element;  // k, v
    bytes += finished * width * element *
             (finished < entering ? 2 : 1);  // q, and the gathered rows it is made of
    bytes +=
        finished * (2 * width + 2 * inner) * element;  // context, attended, GELU's input and output
    bytes += finished * (kReal * config.num_attention_heads + 2 * norm);  // log-sum-exp, two norms
    if (l + 1 < layers.size()) bytes += finished * width * element;       // the next layer's input
    parts.push_back(bytes);
  }
  // In float: the classifier's input; the pooler's input and output, or two means and their difference.
  parts.push_back(batch.pool.row_unit_ids.size * kReal *
                  (pooled_width(model->spec.pooling, width) + 3 * width));
  return parts;
}

// What a layer's backward holds beside what is saved, at its widest: in the FFN's second product, where the norm's input is
// freed already, the gradients of its rows and of GELU's output, and the weight's. In bf16 multiplied in float (ops.h) the
// product's operands and result are there in float, too.
int64_t working_bytes(int64_t rows, const Model& model) {
  const int64_t width = model->config.hidden_size, inner = model->config.intermediate_size;
  const bool in_float = model->compute_dtype == at::kBFloat16 &&
                        model->classifier->weight.is_cpu() && !ops::cpu_has_bf16_gemm();
  const auto element = static_cast<int64_t>(c10::elementSize(model->compute_dtype));
  return kReal * width * inner +
         rows * (in_float ? kReal * (width + inner) + element * inner : element * (width + inner));
}

// Backward walks from the head down; a part's activations are freed as its gradients are made. With accumulation the
// gradients of the micro-batches before are there all the time, and a new one is made beside the old.
int64_t backward_bytes(const Parts& saved, const Parts& gradients, const Parts& working,
                       bool accumulates, int64_t largest_leaf) {
  int64_t held = total_of(saved), made = accumulates ? total_of(gradients) : 0, most = held + made;
  for (size_t p = saved.size(); p-- > 0;) {
    most = std::max(most, held + made + working[p]);
    held -= saved[p];
    if (!accumulates) made += gradients[p];
  }
  return std::max(most, made + working[0] +
                            (accumulates ? largest_leaf : 0));  // the embeddings' tables come last
}

}  // namespace

MemoryEstimate estimate_memory(const Model& model, const Dataset& train,
                               const TrainingConfig& config) {
  const auto batches = epoch_batches(train, config, /*epoch=*/0);
  const auto& largest = *std::ranges::max_element(
      batches, {}, [&](const auto& batch) { return tokens_of(train, batch); });
  const PackedBatch packed = pack(train, largest, model->pack_plan());
  const Parts saved = saved_bytes(packed, model);
  Parts gradients(saved.size()), working{packed.levels[0].num_rows * model->config.hidden_size *
                                         kReal};  // the tables' rows' gradient
  for (const LayerRows& rows : layer_rows(packed, model))
    working.push_back(working_bytes(rows.finished, model));
  working.push_back(0);

  MemoryEstimate out;
  int64_t largest_leaf = 0;
  for (const auto& named : model->named_parameters()) {
    const auto bytes = static_cast<int64_t>(named.value().nbytes());
    const size_t part = part_of(named.key(), model->config);
    const bool layer = part > 0 && part + 1 < saved.size(),
               norm = named.key().find("LayerNorm") != std::string::npos;
    const bool shadowed = model->compute_dtype != at::kFloat && layer && !norm;
    out.weights += bytes + (shadowed ? bytes / 2 : 0);
    out.moments += 2 * bytes;
    largest_leaf = std::max(largest_leaf, bytes);
    if (model->spec.pooling == Pooling::kCls || !named.key().starts_with("bert.pooler."))
      gradients[part] += bytes;
  }
  out.gradients = total_of(gradients);
  out.activations = total_of(saved);
  out.backward = backward_bytes(saved, gradients, working, config.accumulation > 1, largest_leaf);
  for (const Level& level : packed.levels)
    out.largest_batch_rows = std::max(out.largest_batch_rows, level.num_rows);
  return out;
}

// ---- time -------------------------------------------------------------------------------------------------------------

namespace {

// The epoch's batches by length that are measured: the middle one, then a short and a long one in turn, so that the mean of
// the first one, three or five is the epoch's. Slow steps are not repeated for the sake of a better mean.
constexpr size_t kTenths[] = {5, 1, 9, 3, 7};
constexpr double kEnoughSeconds = 30;

double seconds_of(const std::function<void()>& run) {
  const auto began = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace

TimeEstimate measure_time(Model model, const RunInputs& inputs) {
  const TrainingConfig& config = inputs.config.training;
  const Dataset& train = *inputs.train.dataset;
  const TrainingLength length = training_length(train, config);
  TimeEstimate out{.steps = length.steps};
  const at::Device device = model->parameters().front().device();
  const bool regression = model->spec.head == Head::kRegression;
  const auto to_batch = [&](const Dataset& data, const std::vector<int64_t>& examples) {
    return to_device(pack(data, examples, model->pack_plan()), device, regression);
  };

  TrainStep step(model, config, out.steps);
  auto batches = epoch_batches(train, config, /*epoch=*/0);
  std::ranges::sort(batches, {}, [&](const auto& batch) { return tokens_of(train, batch); });
  const auto run = [&](size_t tenth) {
    std::vector<DeviceBatch> micro_batches;
    for (int64_t i = 0; i < config.accumulation; ++i)
      micro_batches.push_back(to_batch(train, batches[tenth * batches.size() / 10]));
    step.run(micro_batches, /*step=*/0).item<float>();  // waits for a device
  };
  run(kTenths[0]);  // the first step makes the moments' pages, and LibTorch warm
  double seconds = 0;
  for (const size_t tenth : kTenths) {
    seconds += seconds_of([&] { run(tenth); });
    ++out.measured_steps;
    if (seconds > kEnoughSeconds && out.measured_steps % 2 == 1) break;
  }
  out.seconds_per_step = seconds / static_cast<double>(out.measured_steps);
  out.training_seconds = out.seconds_per_step * static_cast<double>(out.steps);

  // A pass over a split takes as long for a token as its middle batch (run_model, lait/predict/predictor.h).
  at::NoGradGuard no_grad;
  const auto pass_seconds = [&](const Split& split) {
    if (!split.dataset) return 0.0;
    const auto split_batches =
        batches_by_length(*split.dataset, kEvaluationBatch, BatchBy::kExamples);
    const auto& middle = split_batches[split_batches.size() / 2];
    const auto forward = [&] {
      model->forward(to_batch(*split.dataset, middle), Randomness{}).sum().item<float>();
    };
    forward();
    double tokens = 0;
    for (const auto& batch : split_batches)
      tokens += static_cast<double>(tokens_of(*split.dataset, batch));
    return seconds_of(forward) * tokens / static_cast<double>(tokens_of(*split.dataset, middle));
  };
  // As Trainer::evaluation_due: every so many steps and after the last, or at each epoch's end.
  const int64_t every = config.evaluate_every;
  if (inputs.validation.dataset)
    out.evaluations =
        every > 0 ? (out.steps + every - 1) / every : std::llround(std::ceil(length.epochs));
  out.evaluation_seconds =
      pass_seconds(inputs.validation) * static_cast<double>(out.evaluations + 1) +
      pass_seconds(inputs.test);
  return out;
}

}  // namespace lait
