#include "lait/model/model.h"

#include <ATen/ops/zeros.h>

#include <algorithm>

#include "lait/model/initialize.h"
#include "lait/model/lora.h"

namespace lait {

ModelImpl::ModelImpl(const HfConfig& hf, const ModelSpec& model_spec, at::ScalarType dtype)
    : config(hf), spec(model_spec), compute_dtype(dtype) {
  initialize_numerics();
  encoder = register_module("encoder", config.family->make_encoder(config, compute_dtype));
  const HeadInfo& info = find_head(spec.head);
  HeadOptions options{.pooling = spec.pooling, .labels = spec.labels};
  if (info.needs_decoder) {
    decoder =
        register_module("decoder", config.family->make_decoder(config, *encoder, compute_dtype));
    options.decoder = decoder;
    options.values = text_values(spec);
    options.texts = label_texts(spec);
  }
  head = register_module("head", info.make(config, options));
  for (int64_t l = 0; spec.lexical_bias && l < config.num_hidden_layers; ++l) {
    lexical_biases.push_back(register_parameter(
        "lexical_bias" + std::to_string(l), at::zeros({config.num_attention_heads}, at::kFloat)));
  }
  encoder->use_lexical_biases(lexical_biases);
  if (spec.lexical_bias) freeze({});
}

PackPlan ModelImpl::pack_plan(const Schedule& schedule) const {
  return {.schedule = schedule,
          .reads = find_head(spec.head).reads(spec.pooling),
          .words = spec.lexical_bias,
          .cuda_head_dim = device().is_cuda() ? config.head_dim : 0};
}

DeviceBatch ModelImpl::to_batch(const Dataset& dataset, std::span<const int64_t> indices,
                                const Schedule& schedule, const BatchOptions& options) const {
  PackPlan plan = pack_plan(schedule);
  plan.share_segments = options.share_segments;
  plan.enters = options.enters;
  if (!options.backward || plan.enters == Enters::kStatesAndKeys) {
    plan.schedule = for_inference(plan.schedule, plan.reads);
    plan.key_runs = true;
  }
  PackedBatch packed = pack(dataset, indices, plan);
  head->add_targets(packed, /*labels_only=*/options.labels, plan.cuda_head_dim);
  const at::Tensor made = options.labels ? head->labels(packed.labels) : at::Tensor();
  return to_device(std::move(packed), made, device());
}

Outputs ModelImpl::forward(const DeviceBatch& batch, const Randomness& randomness) {
  return head->forward(encoder->forward(batch, randomness), batch, randomness);
}

std::vector<std::pair<const char*, const torch::nn::Module*>> ModelImpl::family_modules() const {
  std::vector<std::pair<const char*, const torch::nn::Module*>> out{{"", encoder.get()}};
  if (decoder) out.emplace_back("decoder.", decoder.get());
  return out;
}

std::vector<ModelParameter> ModelImpl::parameter_list() const {
  const Family& family = *config.family;
  std::vector<ModelParameter> out;
  for (const auto& [prefix, module] : family_modules()) {
    for (const auto& named : module->named_parameters()) {
      if (is_lora(named.key())) continue;
      const std::string name = prefix + named.key();
      out.push_back({.name = family.tensor_names().prefix + name,
                     .tensor = named.value(),
                     .role = family.role(name),
                     .hf_names = family.hf_names(name)});
    }
  }
  for (int64_t l = 0; l < std::ssize(lexical_biases); ++l) {
    const std::string name = std::string(kLexicalBias) + "." + std::to_string(l);
    out.push_back({.name = name,
                   .tensor = lexical_biases[l],
                   .role = {.part = ParameterRole::Part::kEncoderLayer,
                            .layer = l,
                            .kind = ParameterRole::Kind::kLexicalBias},
                   .hf_names = {name}});
  }
  const HeadTensors& tensors = head->tensors();
  for (const auto& named : head->named_parameters()) {
    const size_t dot = named.key().rfind('.');
    const auto module =
        std::ranges::find(tensors.modules, named.key().substr(0, dot), &HeadModule::name);
    TORCH_CHECK(module != tensors.modules.end(), "family ", family.model_type(),
                ": no Hugging Face name for the head's ", named.key());
    out.push_back({.name = module->hf_name + named.key().substr(dot),
                   .tensor = named.value(),
                   .role = {.part = ParameterRole::Part::kHead,
                            .kind = named.value().dim() > 1 ? ParameterRole::Kind::kMatrix
                                                            : ParameterRole::Kind::kBias},
                   .hf_names = {module->hf_name + named.key().substr(dot)},
                   .pretrained_head = module->pretrained});
  }
  std::ranges::sort(out, {}, [](const ModelParameter& p) { return p.hf_names.front(); });
  return out;
}

std::vector<ModelParameter> ModelImpl::trained_parameters() const {
  std::vector<ModelParameter> out = parameter_list();
  std::erase_if(out, [](const ModelParameter& p) { return !p.tensor.requires_grad(); });
  std::ranges::move(lora_parameters(*this), std::back_inserter(out));
  return out;
}

void ModelImpl::move_to(at::Device device) {
  to(device);
  refresh_shadows();
}

bool ModelImpl::rests(const ParameterRole& role) const {
  return role.kind == ParameterRole::Kind::kLexicalBias &&
         role.layer < segment_layers(spec.schedule);
}

void ModelImpl::freeze(const FrozenParts& parts) {
  using Part = ParameterRole::Part;
  for (ModelParameter& parameter : parameter_list()) {
    const ParameterRole& role = parameter.role;
    const bool table = role.part == Part::kEmbedding || role.part == Part::kSharedTable;
    const bool frozen = (table && parts.embeddings) ||
                        (role.part == Part::kEncoderLayer && parts.layer(role.layer)) ||
                        rests(role);
    parameter.tensor.set_requires_grad(!frozen);
  }
  encoder->freeze(parts);
}

void ModelImpl::refresh_shadows() {
  for (const auto& module : modules()) {
    if (auto* shadowed = dynamic_cast<Shadowed*>(module.get())) shadowed->refresh_shadows();
  }
}

void ModelImpl::keep_blocked() {
  for (const auto& module : modules()) {
    if (auto* linear = dynamic_cast<LinearImpl*>(module.get())) linear->keep_blocked();
  }
}

}  // namespace lait
