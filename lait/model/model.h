// lait/model/: families of encoders under a schedule, heads, Hugging Face checkpoints in and out.
//
// The whole model: the weights and the family. The schedule belongs to the batch: one model runs
// batches of any P.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lait/model/device_batch.h"
#include "lait/model/family.h"
#include "lait/model/head.h"
#include "lait/model/spec.h"

namespace lait {

// What the names of lexical biases begin with in checkpoints: "lait.lexical_bias.3".
inline constexpr const char* kLexicalBias = "lait.lexical_bias";

struct ModelParameter {
  // In checkpoints of the optimizer: as Hugging Face calls it, but for parameters that are several
  // tensors there.
  std::string name;
  at::Tensor tensor;
  ParameterRole role;
  // Its names in Hugging Face's checkpoints; several names if they are equal parts of it along
  // dimension 0.
  std::vector<std::string> hf_names = {};
  // Part of the head, but stored in the pretrained encoder's checkpoint.
  bool pretrained_head = false;
  // A matrix of an adapter (lora.h).
  bool adapter = false;
};

// What training.lora asks for.
struct LoraOptions {
  int64_t rank = 8;
  double alpha = 16, dropout = 0;
  // Ends of module names in the family's checkpoints, as PEFT's target_modules.
  std::vector<std::string> targets = {};
  uint64_t seed = 1;
  // The pretrained model, for adapter_config.json.
  std::string base = {};
};

// What a batch holds beside the examples' tokens.
struct BatchOptions {
  // False where nothing compares with labels: prediction takes examples of any.
  bool labels = true;
  // A segment of several examples is encoded once; false: once for each.
  bool share_segments = true;
  // Then ModelImpl::forward needs DeviceBatch::entering. kStatesAndKeys is packed as for inference.
  Enters enters = Enters::kTokens;
  // False for inference: the batch is packed for the fewest rows and copies (for_inference,
  // PackPlan::key_runs), and has no backward.
  bool backward = true;
};

class ModelImpl : public torch::nn::Module {
 public:
  // Zero weights. Calls initialize_numerics (initialize.h).
  ModelImpl(const HfConfig& config, const ModelSpec& spec, at::ScalarType compute_dtype);

  // Packs the examples of `indices` under `schedule` and moves them to the model's device.
  DeviceBatch to_batch(const Dataset& dataset, std::span<const int64_t> indices,
                       const Schedule& schedule, const BatchOptions& options = {}) const;
  // The plan that to_batch packs with.
  PackPlan pack_plan(const Schedule& schedule) const;
  // For the batch's examples, in its order.
  Outputs forward(const DeviceBatch& batch, const Randomness& randomness);
  // A float scalar.
  at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                  const TrainingConfig& config) const {
    return head->loss(outputs, batch, config);
  }

  // The modules that have the family's parameters, and what their names begin with.
  std::vector<std::pair<const char*, const torch::nn::Module*>> family_modules() const;
  // All parameters in the order of their Hugging Face names; sums over parameters use this order.
  // Adapters are not among them.
  std::vector<ModelParameter> parameter_list() const;
  // Those that are not frozen, and the adapters.
  std::vector<ModelParameter> trained_parameters() const;
  at::Device device() const { return head->output_weight().device(); }
  void move_to(at::Device device);
  // Frozen parameters get no gradient, and frozen parts no dropout; the lowest parts that are all
  // frozen have no backward either.
  void freeze(const FrozenParts& parts);
  // Whether the parameter is a lexical bias that the spec's schedule does not use.
  bool rests(const ParameterRole& role) const;
  // Refreshes the compute-dtype copies of the parameters; call after every change of a parameter.
  void refresh_shadows();
  // For inference with these weights (LinearImpl::keep_blocked), until refresh_shadows.
  void keep_blocked();

  const HfConfig config;
  ModelSpec spec;
  const at::ScalarType compute_dtype;  // kFloat or kBFloat16
  std::shared_ptr<EncoderImpl> encoder;
  std::shared_ptr<DecoderImpl> decoder;  // null if the head needs none
  std::shared_ptr<HeadImpl> head;
  // (H) of each layer, zeros at first; none without ModelSpec::lexical_bias. Those of layers of
  // segment scope are not used and not trained; they are there for other schedules.
  std::vector<at::Tensor> lexical_biases;
  // What load_pretrained made of the checkpoint's head, in words: "the checkpoint's", "new, since
  // the checkpoint's …"; "" if it has none.
  std::string head_origin;
  // Those of Family::carried_tensors that are not parameters, by name; on the CPU.
  std::vector<std::pair<std::string, at::Tensor>> carried;
  // Set by add_lora (lora.h).
  std::optional<LoraOptions> lora;
};
TORCH_MODULE(Model);

}  // namespace lait
