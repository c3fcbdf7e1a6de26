#include "lait/predict/value_plan.h"

#include <ATen/Version.h>
#include <torch/version.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "kernels/segment_attention.h"
#include "lait/base/error.h"
#include "lait/config/enum_names.h"
#include "lait/model/device.h"
#include "lait/model/lora.h"

namespace lait {
namespace {

// Of how values are computed and laid out by this code; a change of either needs a new one.
constexpr int64_t kVersion = 2;

void add_tensor(ContentHash& hash, const std::string& name, const at::Tensor& tensor) {
  const at::Tensor bytes = tensor.detach().to(at::kCPU).contiguous();
  hash.add_text(name);
  for (const int64_t size : bytes.sizes()) hash.add_number(size);
  hash.add(bytes.const_data_ptr(), bytes.nbytes());
}

// Whether a key of config.json does not matter to what an encoder computes.
bool is_for_training(const std::string& name) {
  return name.find("dropout") != std::string::npos || name.starts_with("initializer");
}

bool is_used(const ParameterRole& role, const ValuePlan& plan, ValueFormat::Kind kind,
             int64_t num_layers) {
  using Part = ParameterRole::Part;
  // It is added to scores, which are of no single segment.
  if (role.kind == ParameterRole::Kind::kLexicalBias) return false;
  switch (role.part) {
    case Part::kEmbedding:
    case Part::kSharedTable:
      return true;
    case Part::kEncoderLayer:
      // All of a joint layer, though its projections alone would do.
      return role.layer < static_cast<int64_t>(plan.join) || kind == ValueFormat::Kind::kKeysValues;
    case Part::kTop:
      return static_cast<int64_t>(plan.join) == num_layers;
    case Part::kDecoderLayer:
    case Part::kHead:
      return false;
  }
  return true;
}

}  // namespace

ValuePlan value_plan(const Model& model, const Schedule& schedule, ValueType type) {
  const ModelSpec& spec = model->spec;
  if (spec.format == SegmentFormat::kPair) {
    throw UserError(
        "--cache and --pairs need segments that are computed apart, got a model with "
        "segment_format: pair, where an example is one sequence; train with independent_layers");
  }
  const Reads reads = model->pack_plan(schedule).reads;
  ValuePlan plan{.schedule = for_inference(schedule, reads)};
  const std::vector<Step> all = steps(plan.schedule, Scope::kSegment);
  while (plan.join < all.size() && all[plan.join].level == 0) ++plan.join;
  const std::vector<LevelRows> rows = levels(plan.schedule, Scope::kSegment);
  const bool means = reads.means != Reads::Means::kNone &&
                     (plan.join == all.size() || means_step(all, rows, reads) == plan.join);
  const int64_t width = model->config.hidden_size, head_dim = model->config.head_dim;
  plan.first = {.kind = ValueFormat::Kind::kStates,
                .dtype = model->compute_dtype,
                .stored = stored_dtype(type, model->compute_dtype),
                .width = width,
                // States are split as heads are, unless the width is no multiple of theirs (T5).
                .group = width % head_dim == 0 ? head_dim : width,
                .mean_width = means ? width : 0,
                .tokens = model->spec.lexical_bias};
  plan.others = plan.first;
  if (rows.size() == 2 && rows[1].updates == Updates::kFirst) {
    for (size_t s = plan.join; s < all.size(); ++s) plan.joint_layers.push_back(all[s].layer);
    plan.others.kind = ValueFormat::Kind::kKeysValues;
    plan.others.layers = std::ssize(plan.joint_layers);
    plan.others.width = 2 * model->config.num_attention_heads * head_dim;
    plan.others.group = head_dim;
  }
  return plan;
}

Digest fingerprint(const Model& model, const Tokenizer& tokenizer, const ValuePlan& plan,
                   const ValueFormat& format) {
  ContentHash hash;
  hash.add_number(kVersion);
  hash.add_text(format.name());
  nlohmann::ordered_json settings;
  model->config.family->write_config(model->config, settings);
  hash.add_text(model->config.family->model_type());
  for (const auto& [name, value] : settings.items()) {
    if (is_for_training(name)) continue;
    hash.add_text(name);
    hash.add_text(value.dump());
  }
  hash.add_text(c10::toString(model->compute_dtype));
  hash.add_number(model->spec.max_segment_tokens);
  hash.add_number(static_cast<int64_t>(plan.join));
  for (const auto& [name, content] : tokenizer.files()) {
    hash.add_text(name);
    hash.add_text(content);
  }
  for (const ModelParameter& parameter : model->parameter_list()) {
    if (is_used(parameter.role, plan, format.kind, model->config.num_hidden_layers))
      add_tensor(hash, parameter.name, parameter.tensor);
  }
  for (const ModelParameter& parameter : lora_parameters(*model)) {
    if (!is_used(parameter.role, plan, format.kind, model->config.num_hidden_layers)) continue;
    const double scale = model->lora->alpha / static_cast<double>(model->lora->rank);
    hash.add(&scale, sizeof(scale));
    add_tensor(hash, parameter.name, parameter.tensor);
  }
  return hash.digest();
}

std::string made_here(const Model& model) {
  nlohmann::ordered_json json;
  const at::Device device = model->device();
  json["device"] =
      device.is_cuda() ? gpu_name() : c10::DeviceTypeName(device.type(), /*lower_case=*/true);
  json["instructions"] = kernels::cpu::capability();
  json["bf16_products"] = ops::cpu_has_bf16_gemm();
  json["libtorch"] = TORCH_VERSION;
  // MKL's mode, which initialize_numerics sets where it matters.
  const char* const mode = std::getenv("MKL_CBWR");
  json["mkl"] = mode == nullptr ? "" : mode;
  return json.dump();
}

}  // namespace lait
