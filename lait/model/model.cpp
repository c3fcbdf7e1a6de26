#include "lait/model/model.h"

#include <ATen/Context.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/nll_loss.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "kernels/cpu/dispatch.h"
#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/checkpoint/checkpoint_tensors.h"
#include "lait/checkpoint/safetensors.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

// The row law (lait/ops/linear.cpp) on Intel's CPUs: where there are few rows MKL splits the depth of a product among threads,
// and a row's sum gets another order than in a large batch. Its strict mode does not, and is as fast; AMD's CPUs lack it and
// do not need it. MKL reads the variable at its first product, so a program that has models sets it before its main.
[[maybe_unused]] const bool kStrictProducts = [] {
  using namespace kernels::cpu;
  __builtin_cpu_init();
  if (!__builtin_cpu_is("intel") || !supported(Isa::kAvx2)) return false;
  const char* mode = supported(Isa::kAvx512) ? "AVX512,STRICT" : "AVX2,STRICT";
  return setenv("MKL_CBWR", mode, /*overwrite=*/0) == 0;
}();

}  // namespace

PackPlan ModelSpec::pack_plan() const {
  return {.stages = stages, .format = format, .pooling = pooling};
}

TokenizeOptions ModelSpec::tokenize_options() const {
  return {.format = format, .max_tokens = max_segment_tokens, .on_overflow = on_overflow};
}

int64_t ModelSpec::independent_layers() const {
  int64_t layers = 0;
  for (const Stage& stage : stages) {
    if (stage.scope == Scope::kExample) break;
    layers += stage.num_layers;
  }
  return layers;
}

ModelImpl::ModelImpl(const HfConfig& hf, const ModelSpec& model_spec, at::ScalarType dtype)
    : config(hf), spec(model_spec), compute_dtype(dtype), plan_(model_spec.pack_plan()) {
  bert = register_module("bert", BertModel(config, compute_dtype));
  classifier = register_module(
      "classifier", PoolingHead(config, spec.pooling, spec.num_outputs(),
                                config.classifier_dropout.value_or(config.hidden_dropout_prob)));
}

at::Tensor ModelImpl::forward(const DeviceBatch& batch, const Randomness& randomness) {
  const EncoderStates states = bert->forward(batch, plan_, randomness);
  return classifier->forward(states, batch, *bert, randomness);
}

PackPlan ModelImpl::pack_plan() const {
  PackPlan plan = plan_;
  if (classifier->weight.is_cuda())
    plan.cuda_head_dim = config.hidden_size / config.num_attention_heads;
  return plan;
}

void ModelImpl::move_to(at::Device device) {
  to(device);
  refresh_shadows();
}

void ModelImpl::refresh_shadows() {
  for (const auto& module : modules()) {
    if (auto* shadowed = dynamic_cast<Shadowed*>(module.get())) shadowed->refresh_shadows();
  }
}

std::vector<std::pair<std::string, at::Tensor>> ModelImpl::checkpoint_tensors() const {
  static constexpr std::string_view kFused = ".qkv.";
  static constexpr const char* kParts[] = {".query.", ".key.", ".value."};
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const auto& named : named_parameters()) {
    const std::string& name = named.key();
    const at::Tensor tensor = named.value().detach();
    const size_t at = name.find(kFused);
    if (at == std::string::npos) {
      out.emplace_back(name, tensor);
      continue;
    }
    const int64_t width = tensor.size(0) / 3;
    for (int64_t part = 0; part < 3; ++part) {
      out.emplace_back(std::string(name).replace(at, kFused.size(), kParts[part]),
                       tensor.narrow(0, part * width, width));
    }
  }
  return out;
}

namespace {

// The matrices alone are nearly all of a model: half as many elements is another model.
void check_num_weights(const CheckpointTensors& tensors, double parameters) {
  if (tensors.num_elements() >= parameters / 2) return;
  std::ostringstream text;
  text << tensors.dir().string() << ": expected weights of about " << parameters
       << " parameters, as config.json says, got " << tensors.num_elements()
       << "; take both from one model";
  throw UserError(text.str());
}

void fill(Model& model, const fs::path& dir, bool needs_head, bool accept_head) {
  std::vector<ExpectedTensor> expected;
  for (const auto& [name, tensor] : model->checkpoint_tensors()) {
    const bool head = name.starts_with("classifier.");
    if (head && !accept_head) continue;
    // A pretrained encoder may come without pooler; only pooling: cls reads it.
    const bool pooler = name.starts_with("bert.pooler.");
    const bool required =
        head ? needs_head : !pooler || needs_head || model->spec.pooling == Pooling::kCls;
    expected.push_back({name, tensor, required});
  }
  load_into(CheckpointTensors(dir), expected);
  model->refresh_shadows();
}

}  // namespace

void check_fits(const fs::path& dir, const ModelSpec& spec, const HfConfig& config) {
  const std::string file = (dir / "lait.yaml").string(),
                    other = " (config.json); the files do not belong together";
  int64_t layers = 0;
  for (const Stage& stage : spec.stages) layers += stage.num_layers;
  if (layers != config.num_hidden_layers) {
    throw UserError(file + ": expected a schedule of " + std::to_string(config.num_hidden_layers) +
                    " layers, got " + std::to_string(layers) + other);
  }
  if (spec.max_segment_tokens > config.max_position_embeddings) {
    throw UserError(file + ": max_segment_tokens: expected at most the model's " +
                    std::to_string(config.max_position_embeddings) + " positions, got " +
                    std::to_string(spec.max_segment_tokens) + other);
  }
  if (spec.format == SegmentFormat::kPair && config.type_vocab_size < 2) {
    throw UserError(file + ": segment_format: pair needs two token types, and the model has one" +
                    other);
  }
  check_num_weights(
      CheckpointTensors(dir),
      config.num_parameters() + static_cast<double>(spec.num_outputs() * config.hidden_size));
}

void check_fits(const fs::path& dir, const Tokenizer& tokenizer, const HfConfig& config) {
  const int64_t rows = config.vocab_size, tokens = tokenizer.vocab_size();
  // Models often have some rows more than tokens (up to a round number); twice as many are another model's, or vocab.txt was
  // cut short.
  if (tokens <= rows && tokens > rows / 2) return;
  throw UserError(dir.string() + ": expected a tokenizer of at most " + std::to_string(rows) +
                  " tokens (vocab_size of config.json)" +
                  (tokens > rows ? "" : " and not below half of them") + ", got " +
                  std::to_string(tokens) + "; the files do not belong together");
}

Model load_pretrained(const fs::path& dir, const ModelSpec& spec, const ModelConfig& overrides,
                      at::ScalarType compute_dtype, uint64_t seed) {
  HfConfig config = read_hf_config(dir);
  if (overrides.hidden_dropout) config.hidden_dropout_prob = *overrides.hidden_dropout;
  if (overrides.attention_dropout)
    config.attention_probs_dropout_prob = *overrides.attention_dropout;
  if (overrides.classifier_dropout) config.classifier_dropout = *overrides.classifier_dropout;
  const CheckpointTensors tensors(dir);
  check_num_weights(tensors, config.num_parameters());
  Model model(config, spec, compute_dtype);
  model->classifier->initialise(seed, config.initializer_range);
  if (tensors.has("classifier.weight")) {
    const std::vector<std::string> names = config.label_names();
    const bool fits =
        tensors.tensor("classifier.weight").sizes() == model->classifier->weight.sizes() &&
        (names.empty() || names == spec.labels);
    model->head_origin = fits ? HeadOrigin::kCheckpoint : HeadOrigin::kReplaced;
  }
  fill(model, dir, /*needs_head=*/false, model->head_origin == HeadOrigin::kCheckpoint);
  return model;
}

Model load_checkpoint(const fs::path& dir, at::ScalarType compute_dtype) {
  return load_checkpoint(dir, read_spec(dir), compute_dtype);
}

Model load_checkpoint(const fs::path& dir, const ModelSpec& spec, at::ScalarType compute_dtype) {
  const HfConfig config = read_hf_config(dir);
  check_fits(dir, spec, config);
  Model model(config, spec, compute_dtype);
  fill(model, dir, /*needs_head=*/true, /*accept_head=*/true);
  return model;
}

void load_weights(const fs::path& dir, Model& model) {
  at::NoGradGuard no_grad;
  fill(model, dir, /*needs_head=*/true, /*accept_head=*/true);
}

void save_checkpoint(const Model& model, const fs::path& dir) {
  fs::create_directories(dir);
  write_safetensors(dir / "model.safetensors", model->checkpoint_tensors());
  write_hf_config(dir, model->config, model->spec.labels, model->spec.head == Head::kRegression);
  write_file(dir / "lait.yaml", write_spec(model->spec));
}

at::Tensor compute_loss(const at::Tensor& logits, const DeviceBatch& batch, const ModelSpec& spec,
                        double label_smoothing) {
  if (spec.head == Head::kRegression) return at::mse_loss(logits.squeeze(1), batch.labels);
  // As at::cross_entropy_loss, whose label smoothing looks for an ignored label with masks.
  const at::Tensor log_probabilities = at::log_softmax(logits, 1);
  const at::Tensor loss = at::nll_loss(log_probabilities, batch.labels);
  return label_smoothing == 0
             ? loss
             : loss * (1 - label_smoothing) - log_probabilities.mean() * label_smoothing;
}

}  // namespace lait
