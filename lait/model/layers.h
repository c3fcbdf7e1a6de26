// The parts of a Transformer layer over packed rows: float leaves with compute-dtype copies
// (shadows), and dropout whose keys name what is dropped. Rows are (T, C), T a multiple of 16;
// nothing here knows about segments.
#pragma once
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "kernels/philox.h"
#include "lait/data/packing.h"
#include "lait/model/device_batch.h"
#include "lait/ops/ops.h"

namespace lait {

// The dropout of a forward pass, outside of layers or in one; `at` returns it for one place there.
struct Randomness {
  // Dropout is on.
  bool training = false;
  uint64_t seed = 0;
  uint32_t step = 0;
  uint8_t layer = 0;
  Randomness of_layer(int64_t index) const {
    return {training, seed, step, static_cast<uint8_t>(index)};
  }
  kernels::Dropout at(double p, kernels::Site site) const {
    return {training ? static_cast<float>(p) : 0.f, seed, step, layer, site};
  }
};

// The dropout keys of rows: unit ids and positions, (T) int32 each.
struct RowNames {
  at::Tensor unit_ids;
  at::Tensor positions;
};

// lait::gather_rows with the indices of a packed batch.
at::Tensor gather(const at::Tensor& x, const DeviceBatch& batch, const Gather& indices);

// A module whose parameters have compute-dtype copies (shadows): the leaves stay in float, and
// products read the copies.
class Shadowed {
 public:
  virtual ~Shadowed() = default;
  // Call after every change of the leaves; allocates memory only the first time.
  virtual void refresh_shadows() = 0;
};

// A module without parameters of its own, for the names of Hugging Face's checkpoints.
std::shared_ptr<torch::nn::Module> add_child(torch::nn::Module& parent, const char* name);

// Makes `shadow` the leaf's copy in that dtype; in float it is the leaf's own memory.
void refresh_shadow(at::Tensor& shadow, const at::Tensor& leaf, at::ScalarType compute_dtype);

// An adapter (lora.h) of a Linear's outputs [begin, begin + b.size(0)).
struct LoraPart {
  int64_t begin = 0;
  at::Tensor a, b;  // (rank, in), (outputs, rank) float leaves
};

// x / sqrt(mean(x^2) + epsilon) * weight: T5's norm, without mean and bias.
class RmsNormImpl : public torch::nn::Module {
 public:
  RmsNormImpl(int64_t width, double epsilon);
  at::Tensor forward(const at::Tensor& x);  // in float, result in x's dtype

  ops::InputNorm of_input() const { return {weight, epsilon_}; }

  at::Tensor weight;  // (C) float leaf

 private:
  double epsilon_;
};
TORCH_MODULE(RmsNorm);

class LinearImpl : public torch::nn::Module, public Shadowed {
 public:
  LinearImpl(int64_t in, int64_t out, at::ScalarType compute_dtype, bool has_bias = true);
  // Without adapters.
  at::Tensor forward(const at::Tensor& x) { return product(x, 0, weight.size(0)); }
  // With adapters, whose dropout is keyed by x's rows. `norm`: of x, before the product.
  at::Tensor adapted(const at::Tensor& x, const RowNames& rows, const Randomness& randomness,
                     const ops::InputNorm& norm = {}) {
    return outputs(x, rows, randomness, 0, weight.size(0), norm);
  }
  // The outputs [begin, begin + size) only.
  at::Tensor outputs(const at::Tensor& x, const RowNames& rows, const Randomness& randomness,
                     int64_t begin, int64_t size, const ops::InputNorm& norm = {});
  void refresh_shadows() override;
  // From now on, products without gradients read the weights in a form that is made once
  // (ops::blocked_weight): the same bits, and faster where rows are few. Until refresh_shadows. Not
  // for several threads at once.
  void keep_blocked() { keeps_blocked_ = true; }

  // Their product counts `scale` times. `site`: of their dropout. REQUIRES: it has none.
  void add_lora(std::vector<LoraPart> parts, double scale, double dropout, kernels::Site site);
  const std::vector<LoraPart>& lora() const { return lora_; }
  // Adds the adapters to the weight, and they rest until it is `weight` again. Call
  // refresh_shadows afterwards.
  void merge_lora();
  void unmerge_lora(const at::Tensor& weight);

  at::Tensor weight;  // (out, in) float leaf
  at::Tensor bias;    // (out) float leaf; undefined if it has none

 private:
  at::Tensor product(const at::Tensor& x, int64_t begin, int64_t size,
                     const ops::InputNorm& norm = {});
  const at::Tensor& blocked(int64_t begin, int64_t size, const at::Tensor& weight_shadow);

  at::ScalarType compute_dtype_;
  at::Tensor weight_shadow_, bias_shadow_;
  // Of the outputs [begin, begin + size); undefined where there is no such form.
  struct Blocked {
    int64_t begin = 0, size = 0;
    at::Tensor weight;
  };
  bool keeps_blocked_ = false;
  std::vector<Blocked> blocked_;
  std::vector<LoraPart> lora_;
  double lora_scale_ = 1, lora_dropout_ = 0;
  kernels::Site lora_site_ = kernels::Site::kLora;
  bool lora_is_merged_ = false;
};
TORCH_MODULE(Linear);

class LayerNormImpl : public torch::nn::Module {
 public:
  LayerNormImpl(int64_t width, double epsilon);
  at::Tensor forward(const at::Tensor& x);  // statistics in float, result in x's dtype

  at::Tensor weight, bias;  // (C) float leaves

 private:
  double epsilon_;
};
TORCH_MODULE(LayerNorm);

// LayerNorm(residual + dropout(x W^T + b)): the end of each half of a post-norm layer.
class DenseNormImpl : public torch::nn::Module {
 public:
  DenseNormImpl(int64_t in, int64_t out, double epsilon, at::ScalarType compute_dtype);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& residual, const RowNames& rows,
                     const Randomness& randomness, double dropout, kernels::Site site);

  Linear dense{nullptr};
  LayerNorm norm{nullptr};  // "LayerNorm"
};
TORCH_MODULE(DenseNorm);

// Weights from N(0, std), drawn from the seed by the counter-based generator: the same on every
// machine.
void fill_normal(at::Tensor weight, uint64_t seed, double std);

}  // namespace lait
