#include "lait/model/checkpoint.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <sstream>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/checkpoint/checkpoint_tensors.h"
#include "lait/checkpoint/safetensors.h"
#include "lait/data/crc.h"
#include "lait/model/hf_code.h"
#include "lait/model/lora.h"
#include "lait/model/stored_head.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr const char* kWeights = "model.safetensors";

// What a model without a decoder does not read of one is ignored.
CheckpointTensors open(const fs::path& dir, const HfConfig& config, const ModelSpec& spec) {
  TensorNames names = config.family->tensor_names();
  if (!find_head(spec.head).needs_decoder) names.ignorable.emplace_back("decoder.");
  return CheckpointTensors(dir, names);
}

// Matrices hold nearly all of a model's elements: half as many means a different model.
void check_num_weights(const CheckpointTensors& tensors, double parameters) {
  if (tensors.num_elements() >= parameters / 2) return;
  std::ostringstream text;
  text << tensors.dir().string() << ": expected weights of about " << parameters
       << " parameters, as config.json says, got " << tensors.num_elements()
       << "; use both files of one model";
  throw UserError(text.str());
}

// A parameter as Hugging Face's tensors, which are views of it.
std::vector<std::pair<std::string, at::Tensor>> hf_tensors(const ModelParameter& parameter) {
  const at::Tensor tensor = parameter.tensor.detach();
  if (parameter.hf_names.size() == 1) return {{parameter.hf_names.front(), tensor}};
  std::vector<std::pair<std::string, at::Tensor>> out;
  const int64_t rows = tensor.size(0) / std::ssize(parameter.hf_names);
  for (const std::string& name : parameter.hf_names)
    out.emplace_back(name, tensor.narrow(0, rows * std::ssize(out), rows));
  return out;
}

enum class HeadWeights { kRequired, kTaken, kLeft };

void fill(Model& model, const CheckpointTensors& tensors, HeadWeights head) {
  std::vector<ExpectedTensor> expected;
  for (const ModelParameter& parameter : model->parameter_list()) {
    const bool of_head =
        parameter.role.part == ParameterRole::Part::kHead && !parameter.pretrained_head;
    if (of_head && head == HeadWeights::kLeft) continue;
    // A pretrained model seldom has a lexical bias.
    const bool lexical = parameter.role.kind == ParameterRole::Kind::kLexicalBias;
    const bool optional = (of_head || lexical) && head != HeadWeights::kRequired;
    for (const auto& [name, tensor] : hf_tensors(parameter))
      expected.push_back({name, tensor, !optional});
  }
  model->carried.clear();
  for (const std::string& name : model->config.family->carried_tensors()) {
    const bool loaded = std::ranges::find(expected, name, &ExpectedTensor::name) != expected.end();
    if (loaded || !tensors.has(name)) continue;
    model->carried.emplace_back(name, at::empty(tensors.tensor(name).sizes(), at::kFloat));
    expected.push_back({name, model->carried.back().second});
  }
  load_into(tensors, expected);
  model->refresh_shadows();
}

// Tells the checkpoint's head by the modules that are not part of the encoder.
struct HeadTensorsFound {
  bool any = false;
  bool all_fit = true;
};

HeadTensorsFound find_head_tensors(const CheckpointTensors& tensors, const Model& model) {
  HeadTensorsFound found;
  for (const ModelParameter& parameter : model->parameter_list()) {
    if (parameter.role.part != ParameterRole::Part::kHead || parameter.pretrained_head) continue;
    const std::string& name = parameter.hf_names.front();
    const bool has = tensors.has(name);
    found.any = found.any || has;
    found.all_fit =
        found.all_fit && has && tensors.tensor(name).sizes() == parameter.tensor.sizes();
  }
  return found;
}

// The family's own way to begin: the same weights on every machine.
void initialise(Model& model, uint64_t seed) {
  using Kind = ParameterRole::Kind;
  const HfConfig& config = model->config;
  const at::NoGradGuard no_grad;
  for (const ModelParameter& parameter : model->parameter_list()) {
    if (parameter.role.part == ParameterRole::Part::kHead && !parameter.pretrained_head) continue;
    for (const auto& [name, tensor] : hf_tensors(parameter)) {
      if (parameter.role.kind == Kind::kNorm && !name.ends_with(".bias")) {
        tensor.fill_(1);
      } else if (tensor.dim() < 2) {
        tensor.zero_();
      } else {
        Crc of_name;
        of_name.add(name.data(), name.size());
        fill_normal(tensor, seed ^ (uint64_t{of_name.value()} << 32),
                    config.family->initial_deviation(config, name));
      }
    }
  }
}

// lait.yaml and config.json, each read once, which belong together.
std::pair<ModelSpec, HfConfig> read_files(const fs::path& dir) {
  ModelSpec spec = read_spec(dir);
  HfConfig config = read_hf_config(dir);
  check_fits(dir, spec, config);
  return {std::move(spec), std::move(config)};
}

// With the spec's head.
CheckpointTensors open_with_head(const fs::path& dir, const ModelSpec& spec,
                                 const HfConfig& config) {
  CheckpointTensors tensors = open(dir, config, spec);
  const auto outputs = static_cast<double>(std::max<size_t>(1, spec.labels.size()));
  check_num_weights(tensors, config.family->num_parameters(config) +
                                 outputs * static_cast<double>(config.hidden_size));
  return tensors;
}

Model load_model(const fs::path& dir, const ModelSpec& spec, const HfConfig& config,
                 at::ScalarType compute_dtype) {
  const CheckpointTensors tensors = open_with_head(dir, spec, config);
  Model model(config, spec, compute_dtype);
  fill(model, tensors, HeadWeights::kRequired);
  return model;
}

}  // namespace

void check_fits(const fs::path& dir, const Tokenizer& tokenizer, const HfConfig& config) {
  const int64_t rows = config.vocab_size, tokens = tokenizer.vocab_size();
  // Models often have a few rows more than tokens (up to a round number). With twice as many rows
  // as tokens the model is a different one, or vocab.txt was truncated.
  if (tokens <= rows && tokens > rows / 2)
    return tokenizer.check_layout(config.family->layout(config, tokenizer.special_tokens()));
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
  const auto make = [&] {
    Model model(config, spec, compute_dtype);
    model->head->initialise(seed, config.initializer_range);
    return model;
  };
  if (overrides.init == ModelInit::kRandom) {
    Model model = make();
    initialise(model, seed);
    model->refresh_shadows();
    return model;
  }
  const CheckpointTensors tensors = open(dir, config, spec);
  check_num_weights(tensors, config.family->num_parameters(config));
  if (!spec.lexical_bias && tensors.has(std::string(kLexicalBias) + ".0")) {
    throw UserError(dir.string() +
                    ": expected model.lexical_bias: true, since the checkpoint has a lexical bias");
  }
  Model model = make();
  const StoredHead stored = read_stored_head(dir, config);
  const HeadTensorsFound found = find_head_tensors(tensors, model);
  HeadMatch match = match_head(stored, spec);
  if (match.problem.empty() && !found.all_fit) match.problem = "head has another shape";
  const bool taken = found.any && match.problem.empty();
  fill(model, tensors, taken ? HeadWeights::kTaken : HeadWeights::kLeft);
  if (!found.any) return model;
  if (!taken) {
    model->head_origin = "new, since the checkpoint's " + match.problem;
  } else if (match.order.empty()) {
    model->head_origin = "the checkpoint's";
  } else {
    model->head_origin = "the checkpoint's, its labels reordered by name";
    model->head->reorder_outputs(match.order);
    model->refresh_shadows();
  }
  return model;
}

Model load_checkpoint(const fs::path& dir, at::ScalarType compute_dtype) {
  const auto [spec, config] = read_files(dir);
  return load_model(dir, spec, config, compute_dtype);
}

Model load_checkpoint(const fs::path& dir, const ModelSpec& spec, at::ScalarType compute_dtype) {
  const HfConfig config = read_hf_config(dir);
  spec.check(config, (dir / "lait.yaml").string() + " does not belong to config.json");
  return load_model(dir, spec, config, compute_dtype);
}

void load_weights(const fs::path& dir, Model& model) {
  const ModelSpec spec = read_files(dir).first;
  if (spec.labels != model->spec.labels)
    throw UserError(dir.string() + ": expected a checkpoint of the run's labels, got others");
  at::NoGradGuard no_grad;
  fill(model, open(dir, model->config, model->spec), HeadWeights::kRequired);
  model->spec.no_answer_threshold = spec.no_answer_threshold;
}

void save_checkpoint(const Model& model, const fs::path& dir, const SaveOptions& options) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const ModelParameter& parameter : model->parameter_list()) {
    for (auto& named : hf_tensors(parameter)) tensors.push_back(std::move(named));
  }
  tensors.insert(tensors.end(), model->carried.begin(), model->carried.end());
  fs::create_directories(dir);
  write_safetensors(dir / kWeights, tensors);
  const ModelSpec& spec = model->spec;
  // Hugging Face's class dresses texts as the pair format.
  const std::string architecture =
      spec.format == SegmentFormat::kPair ? model->head->tensors().architecture : "";
  const bool has_code = options.hf_code && architecture.empty();
  write_hf_config(dir, model->config, architecture, spec.head, spec.labels,
                  has_code ? hf_code_fields(spec) : nlohmann::ordered_json::object());
  if (has_code) write_file(dir / kHfCodeFile, kHfCode);
  write_file(dir / "lait.yaml", write_spec(spec));
  save_lora(*model, dir / "adapter", /*with_head=*/!architecture.empty());
}

ModelSpec spec_at(const fs::path& checkpoint, std::optional<int64_t> independent_layers) {
  const auto [spec, config] = read_files(checkpoint);
  open_with_head(checkpoint, spec, config);
  if (!independent_layers) return spec;
  return with_context(checkpoint.string(), [&, &spec = spec, &config = config] {
    return spec.at(*independent_layers, config);
  });
}

}  // namespace lait
