// The encoder's loop, the same for every family, over packed rows under a schedule (LAIT, section
// 3).
//
// A family supplies the embeddings, and layers in two halves: `project` (row-wise: q, k, v) and
// `finish` (row-wise: everything after attention). Between the two the loop runs the join and
// attention. The join is a gather: the q, k and v of the first joint layer are still functions of
// single units, so they are projected once for each unit and then gathered.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "lait/model/frozen.h"
#include "lait/model/layers.h"
#include "lait/ops/ops.h"

namespace lait {

// Which of q, k, v a call of `project` computes.
enum class Projections { kAll, kKeysValues, kQueries };

// A family's q, k, v as one product, (out) rows of 3 H D: those that `which` names. `norm`: of x.
at::Tensor fused_projections(LinearImpl& qkv, const at::Tensor& x, Projections which,
                             const RowNames& rows, const Randomness& randomness,
                             const ops::InputNorm& norm = {});

// The work list of a packed batch, if it has one.
void add_work(ops::AttentionUnits& units, const DeviceBatch& batch, const Work& work);

class EncoderLayerImpl : public torch::nn::Module {
 public:
  // (T, C) -> (T, 3 H D), (T, 2 H D) or (T, H D): q, k, v concatenated.
  virtual at::Tensor project(const at::Tensor& x, Projections which, const RowNames& rows,
                             const Randomness& randomness) = 0;
  // context (R, H D) and residual (R, C), the states that entered the layer -> (R, C).
  virtual at::Tensor finish(const at::Tensor& context, const at::Tensor& residual,
                            const RowNames& rows, const Randomness& randomness) = 0;
};

// The encoder's output, which the head reads.
struct EncoderStates {
  // (T of the last level, C); (R, C) if only the rows that the head reads were computed.
  at::Tensor rows;
  // (segments, C) float; undefined if the head reads no means.
  at::Tensor segment_means = {};
  // In a one-sided stage: (O, C), the states of the rows that it keeps (KeptRows).
  at::Tensor kept = {};
};

struct RunHooks {
  // The keys and values of the stored sequences in a step, each (n, 2 H D), in the order of
  // KeptRows::stored.
  std::function<std::vector<at::Tensor>(const Step&)> stored_keys_values = {};
  // Called with the states (rows, C) that each step computed.
  std::function<void(const Step&, const at::Tensor&)> on_states = {};
};

class EncoderImpl : public torch::nn::Module {
 public:
  // (T of level 0, C). REQUIRES: the batch was packed with tokens.
  virtual at::Tensor embed(const DeviceBatch& batch, const Randomness& randomness) = 0;

  // Runs steps [first, end) of the batch. `in.rows` are the states that enter step `first`;
  // in.segment_means and in.kept are those that earlier steps computed, or that come from a store.
  // After the last step the result has the final means, if those are read.
  EncoderStates run(EncoderStates in, const DeviceBatch& batch, size_t first, size_t end,
                    const Randomness& randomness, const RunHooks& hooks = {});
  // embed, then all steps; or the steps from DeviceBatch::entering on.
  EncoderStates forward(const DeviceBatch& batch, const Randomness& randomness,
                        const RunHooks& hooks = {});

  // (H) of each layer: what the attention of rows of different segments adds to the scores of equal
  // tokens (kernels/lexical_bias.h). Batches must then be packed with words. Empty: nothing.
  void use_lexical_biases(std::vector<at::Tensor> biases) { lexical_biases_ = std::move(biases); }
  // They run without dropout.
  void freeze(const FrozenParts& parts) { frozen_ = parts; }
  // Whether backward computes each layer again from its input (recompute.h), so that only inputs
  // are kept. The batch of a forward must then live until its backward.
  void set_recompute(bool on) { recompute_ = on; }

  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  EncoderLayerImpl& layer(int64_t i) { return *layers_[i]; }

 protected:
  // Of one layer's attention; layers may share a bias.
  virtual ops::AttentionSpec attention_spec() const = 0;
  virtual double attention_dropout() const = 0;
  // What becomes of the last step's states (R, C): a pre-norm family's final norm.
  virtual at::Tensor output(const at::Tensor& states, const RowNames& /*rows*/,
                            const Randomness& /*randomness*/) {
    return states;
  }

  std::vector<std::shared_ptr<EncoderLayerImpl>> layers_;

 private:
  std::vector<at::Tensor> lexical_biases_;
  FrozenParts frozen_;
  bool recompute_ = false;

  EncoderStates run_entering(const DeviceBatch& batch, const Randomness& randomness,
                             const RunHooks& hooks);
  std::vector<at::Tensor> leaves_of(const Step& step);
  // The attention of a step; adds the words of its queries and keys to `units` if it has a lexical
  // bias.
  ops::AttentionSpec spec_of(const Step& step, const StepRows& plan, const DeviceBatch& batch,
                             ops::AttentionUnits& units);
  // Where a step's queries find their keys: the attention of q (R, H, D) -> (R, H, D).
  at::Tensor attend(const Step& step, const at::Tensor& q, const at::Tensor& x,
                    const at::Tensor& kept, const ops::AttentionUnits& units,
                    const ops::AttentionSpec& spec, const DeviceBatch& batch,
                    const Randomness& keyed, const RunHooks& hooks);
  at::Tensor run_step(const Step& step, const at::Tensor& x, const at::Tensor& kept,
                      const DeviceBatch& batch, const Randomness& randomness,
                      const RunHooks& hooks);
};

}  // namespace lait
