#include "lait/model/lora.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "kernels/philox.h"
#include "lait/base/error.h"
#include "lait/base/file_writer.h"
#include "lait/base/words.h"
#include "lait/checkpoint/safetensors.h"
#include "lait/data/crc.h"

namespace lait {
namespace {

constexpr std::string_view kWeight = ".weight";

// A linear module of an encoder's layer, and the modules of the family's checkpoints that are its
// equal parts.
struct NamedLinear {
  LinearImpl* module;
  ParameterRole role;
  std::vector<std::string> hf_names;
};

std::vector<NamedLinear> linears_of(const ModelImpl& model) {
  const Family& family = *model.config.family;
  std::vector<NamedLinear> out;
  for (const auto& [prefix, module] : model.family_modules()) {
    for (const auto& named : module->named_modules("", /*include_self=*/false)) {
      auto* linear = dynamic_cast<LinearImpl*>(named.value().get());
      if (linear == nullptr) continue;
      const std::string weight = prefix + named.key() + std::string(kWeight);
      NamedLinear& found =
          out.emplace_back(NamedLinear{linear, family.role(weight), family.hf_names(weight)});
      for (std::string& name : found.hf_names) name.resize(name.size() - kWeight.size());
    }
  }
  return out;
}

std::string last_word(const std::string& name) { return name.substr(name.rfind('.') + 1); }

// As torch.nn.init.kaiming_uniform_(a=sqrt(5)), which PEFT calls; the counter-based generator gives
// the same on every machine.
void fill_uniform(const at::Tensor& weight, uint64_t seed, uint32_t stream) {
  const at::NoGradGuard no_grad;
  const double bound = 1 / std::sqrt(static_cast<double>(weight.size(1)));
  float* w = weight.mutable_data_ptr<float>();
  for (int64_t i = 0; i < weight.numel(); ++i) {
    const auto words =
        kernels::philox(static_cast<uint32_t>(i), stream, 0, 0xFFFFFFFDu,
                        static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
    w[i] = static_cast<float>(bound * (2 * ((words.word[0] + 0.5) / 4294967296.0) - 1));
  }
}

}  // namespace

void add_lora(Model& model, const LoraOptions& options) {
  std::set<std::string> missing(options.targets.begin(), options.targets.end()), known;
  uint32_t stream = 0;
  std::map<std::pair<ParameterRole::Part, int64_t>, uint8_t> in_layer;  // products so far
  for (const NamedLinear& linear : linears_of(*model)) {
    const auto site = static_cast<kernels::Site>(static_cast<uint8_t>(kernels::Site::kLora) +
                                                 in_layer[{linear.role.part, linear.role.layer}]++);
    const int64_t size = linear.module->weight.size(0) / std::ssize(linear.hf_names),
                  in = linear.module->weight.size(1);
    const bool frozen = !linear.module->weight.requires_grad();
    std::vector<LoraPart> parts;
    for (size_t p = 0; p < linear.hf_names.size(); ++p, ++stream) {
      const std::string& name = linear.hf_names[p];
      known.insert(last_word(name));
      const auto target = std::ranges::find_if(options.targets, [&](const std::string& end) {
        return name == end || name.ends_with("." + end);
      });
      if (target == options.targets.end()) continue;
      missing.erase(*target);
      if (frozen) continue;
      parts.push_back({.begin = static_cast<int64_t>(p) * size,
                       .a = at::zeros({options.rank, in}, at::kFloat),
                       .b = at::zeros({size, options.rank}, at::kFloat)});
      fill_uniform(parts.back().a, options.seed, stream);
    }
    if (parts.empty()) continue;
    linear.module->add_lora(std::move(parts), options.alpha / static_cast<double>(options.rank),
                            options.dropout, site);
  }
  if (options.rank > model->config.hidden_size) {
    throw UserError("training.lora.rank: expected at most the model's width, " +
                    std::to_string(model->config.hidden_size) + ", got " +
                    std::to_string(options.rank));
  }
  if (!missing.empty()) {
    throw UserError("training.lora.targets: expected ends of the layers' modules (" +
                    joined({known.begin(), known.end()}) + "), got '" + *missing.begin() + "'");
  }
  for (const ModelParameter& parameter : model->parameter_list()) {
    const ParameterRole& role = parameter.role;
    // The head, and what the pretrained model does not have.
    if (role.part != ParameterRole::Part::kHead && role.kind != ParameterRole::Kind::kLexicalBias)
      parameter.tensor.set_requires_grad(false);
  }
  model->lora = options;
  if (lora_parameters(*model).empty()) {
    throw UserError(
        "training.lora: expected layers for its adapters, got none: training.freeze names all");
  }
}

std::vector<ModelParameter> lora_parameters(const ModelImpl& model) {
  std::vector<ModelParameter> out;
  if (!model.lora) return out;
  for (const NamedLinear& linear : linears_of(model)) {
    const int64_t size = linear.module->weight.size(0) / std::ssize(linear.hf_names);
    for (const LoraPart& part : linear.module->lora()) {
      const std::string name = linear.hf_names[part.begin / size];
      for (const auto& [end, tensor] :
           {std::pair{".lora_A.weight", part.a}, {".lora_B.weight", part.b}})
        out.push_back({.name = name + end, .tensor = tensor, .role = linear.role, .adapter = true});
    }
  }
  return out;
}

bool is_lora(const std::string& name) { return name.find(".lora_") != name.npos; }

uint32_t lora_base_sum(const ModelImpl& model) {
  if (!model.lora) return 0;
  Crc crc;
  for (const NamedLinear& linear : linears_of(model)) {
    if (linear.module->lora().empty()) continue;
    const at::Tensor weight = linear.module->weight.detach().cpu().contiguous();
    crc.add(weight.const_data_ptr(), weight.nbytes());
  }
  return crc.value();
}

MergedLora::MergedLora(const Model& model) : model_(model) {
  if (!model_->lora) return;
  const at::NoGradGuard no_grad;
  for (const NamedLinear& linear : linears_of(*model_)) {
    if (linear.module->lora().empty()) continue;
    weights_.emplace_back(linear.module, linear.module->weight.detach().clone());
    linear.module->merge_lora();
  }
  model_->refresh_shadows();
}

MergedLora::~MergedLora() {
  const at::NoGradGuard no_grad;
  for (const auto& [module, weight] : weights_) module->unmerge_lora(weight);
  if (!weights_.empty()) model_->refresh_shadows();
}

// As peft 0.21: a tensor is called base_model.model.NAME, without the adapter's own name.
void save_lora(const ModelImpl& model, const std::filesystem::path& dir, bool with_head) {
  if (!model.lora) return;
  const LoraOptions& options = *model.lora;
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    tensors.emplace_back("base_model.model." + name, tensor.detach());
  };
  std::set<int64_t> layers;
  for (const ModelParameter& parameter : lora_parameters(model)) {
    add(parameter.name, parameter.tensor);
    layers.insert(parameter.role.layer);
  }
  const std::string encoder = model.config.family->tensor_names().prefix;
  std::set<std::string> head;
  for (const ModelParameter& parameter : model.parameter_list()) {
    if (!with_head || parameter.role.part != ParameterRole::Part::kHead) continue;
    add(parameter.name, parameter.tensor);
    // A module of the encoder (BERT's pooler), or a whole one beside it.
    const size_t end =
        parameter.name.starts_with(encoder) ? parameter.name.rfind('.') : parameter.name.find('.');
    head.insert(parameter.name.substr(0, end));
  }
  nlohmann::ordered_json config{{"peft_type", "LORA"},
                                {"task_type", "SEQ_CLS"},
                                {"base_model_name_or_path", options.base},
                                {"r", options.rank},
                                {"lora_alpha", options.alpha},
                                {"lora_dropout", options.dropout},
                                {"target_modules", options.targets},
                                {"bias", "none"},
                                {"fan_in_fan_out", false},
                                {"inference_mode", true}};
  config["modules_to_save"] =
      head.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(head);
  if (std::ssize(layers) < model.config.num_hidden_layers) config["layers_to_transform"] = layers;
  std::filesystem::create_directories(dir);
  write_safetensors(dir / "adapter_model.safetensors", tensors);
  write_file(dir / "adapter_config.json", config.dump(2) + "\n");
}

}  // namespace lait
