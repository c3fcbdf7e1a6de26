#include "lait/model/model.h"

#include <algorithm>

#include "lait/model/initialize.h"
#include "lait/model/lora.h"

namespace lait {

ModelImpl::ModelImpl(const HfConfig& hf, const ModelSpec& model_spec, at::ScalarType dtype)
    : config(hf), spec(model_spec), compute_dtype(dtype) {
  initialize_numerics();
  encoder = register_module("encoder", config.family->make_encoder(config, compute_dtype));
  head = register_module(
      "head", find_head(spec.head).make(config, {.pooling = spec.pooling, .labels = spec.labels}));
}

PackPlan ModelImpl::pack_plan(const Schedule& schedule) const {
  return {.schedule = schedule,
          .reads = head->reads(),
          .cuda_head_dim = device().is_cuda() ? config.head_dim : 0};
}

DeviceBatch ModelImpl::to_batch(const Dataset& dataset, std::span<const int64_t> indices,
                                const Schedule& schedule, const BatchOptions& options) const {
  PackPlan plan = pack_plan(schedule);
  plan.share_segments = options.share_segments;
  PackedBatch packed = pack(dataset, indices, plan);
  const at::Tensor made = options.labels ? head->labels(packed.labels) : at::Tensor();
  return to_device(std::move(packed), made, device());
}

Outputs ModelImpl::forward(const DeviceBatch& batch, const Randomness& randomness) {
  return head->forward(encoder->forward(batch, randomness), batch, randomness);
}

std::vector<ModelParameter> ModelImpl::parameter_list() const {
  const Family& family = *config.family;
  std::vector<ModelParameter> out;
  for (const auto& named : encoder->named_parameters()) {
    if (is_lora(named.key())) continue;
    out.push_back({.name = family.tensor_names().prefix + named.key(),
                   .tensor = named.value(),
                   .role = family.role(named.key()),
                   .hf_names = family.hf_names(named.key())});
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

void ModelImpl::freeze(const FrozenParts& parts) {
  using Part = ParameterRole::Part;
  for (ModelParameter& parameter : parameter_list()) {
    const ParameterRole& role = parameter.role;
    const bool table = role.part == Part::kEmbedding || role.part == Part::kSharedTable;
    const bool frozen = (table && parts.embeddings) ||
                        (role.part == Part::kEncoderLayer && parts.layer(role.layer));
    parameter.tensor.set_requires_grad(!frozen);
  }
  encoder->freeze(parts);
}

void ModelImpl::refresh_shadows() {
  for (const auto& module : modules()) {
    if (auto* shadowed = dynamic_cast<Shadowed*>(module.get())) shadowed->refresh_shadows();
  }
}

}  // namespace lait
