// lait/model/: families of encoders under a schedule, heads, Hugging Face checkpoints in and out.
//
// The whole model: weights and a family. A schedule belongs to a batch: the same model runs batches of any P.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lait/model/device_batch.h"
#include "lait/model/family.h"
#include "lait/model/head.h"
#include "lait/model/spec.h"

namespace lait {

// Where load_pretrained took the head from.
enum class HeadOrigin {
  kNew,         // the checkpoint has none
  kCheckpoint,  // its own
  kReplaced     // a new one: the checkpoint's is of other labels or another shape
};

struct ModelParameter {
  std::string name;
  at::Tensor tensor;
  ParameterRole role;
  // Its names in Hugging Face's checkpoints; several where it is their equal parts along dimension 0.
  std::vector<std::string> hf_names;
  // Of the head, but part of the pretrained encoder's checkpoint.
  bool pretrained_head = false;
};

class ModelImpl : public torch::nn::Module {
 public:
  // Zero weights. Calls initialize_numerics (initialize.h).
  ModelImpl(const HfConfig& config, const ModelSpec& spec, at::ScalarType compute_dtype);

  // The examples of `indices` under `schedule`, packed and brought to the model's device.
  DeviceBatch to_batch(const Dataset& dataset, std::span<const int64_t> indices,
                       const Schedule& schedule) const;
  // What to_batch packs with.
  PackPlan pack_plan(const Schedule& schedule) const;
  // Of the batch's examples, in its order.
  Outputs forward(const DeviceBatch& batch, const Randomness& randomness);
  // A scalar, float.
  at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                  const TrainingConfig& config) const {
    return head->loss(outputs, batch, config);
  }

  // All parameters in the order of their Hugging Face names: sums over parameters run in it.
  std::vector<ModelParameter> parameter_list() const;
  at::Device device() const { return head->output_weight().device(); }
  void move_to(at::Device device);
  // Refreshes the compute-dtype copies of the parameters; call after every change of a parameter.
  void refresh_shadows();

  const HfConfig config;
  ModelSpec spec;
  const at::ScalarType compute_dtype;  // kFloat or kBFloat16
  std::shared_ptr<EncoderImpl> encoder;
  std::shared_ptr<HeadImpl> head;
  HeadOrigin head_origin = HeadOrigin::kNew;
  // Family::carried_tensors of the checkpoint that no parameter is, by name; on the CPU.
  std::vector<std::pair<std::string, at::Tensor>> carried;
};
TORCH_MODULE(Model);

}  // namespace lait
