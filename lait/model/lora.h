// LoRA (arXiv 2106.09685): the encoder's weights W stay as they are, and beside some of them the
// product of two small matrices is trained: y = x W^T + b + (alpha / rank) dropout(x) A^T B^T.
// Saved models have it merged into W; adapter/ beside them holds A and B as PEFT reads them.
#pragma once
#include <filesystem>

#include "lait/model/model.h"

namespace lait {

// Freezes the encoder and adds adapters to its layers, save those that are frozen already (they
// have no dropout either). A is drawn as PEFT draws it (uniform within 1 / sqrt(in)), B is 0, so
// the model computes what it computed before. Throws UserError for a target that no layer has, or
// if all layers with such modules are frozen. REQUIRES: the model is on the CPU.
void add_lora(Model& model, const LoraOptions& options);

// The adapters' matrices, "bert.encoder.layer.0.attention.self.query.lora_A.weight", …
std::vector<ModelParameter> lora_parameters(const ModelImpl& model);
// Whether a Linear of the encoder registered the parameter of that name for an adapter.
bool is_lora(const std::string& name);
// CRC-32 of the weights that have adapters; 0: none have.
uint32_t lora_base_sum(const ModelImpl& model);

// While it lives, the adapters are part of the weights; then the weights are as before, to the bit.
class MergedLora {
 public:
  explicit MergedLora(const Model& model);
  ~MergedLora();
  MergedLora(const MergedLora&) = delete;
  MergedLora& operator=(const MergedLora&) = delete;

 private:
  Model model_;
  std::vector<std::pair<LinearImpl*, at::Tensor>> weights_;
};

// Writes adapter_config.json and adapter_model.safetensors, with the head if it is one of
// transformers' (PEFT's modules_to_save). Nothing if the model has no adapters.
void save_lora(const ModelImpl& model, const std::filesystem::path& dir, bool with_head);

}  // namespace lait
