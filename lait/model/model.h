// lait/model/: checkpoints, BERT under a schedule, heads.
//
// The whole model: a pretrained encoder under a schedule, and the head; made from a Hugging Face directory or from a
// LAIT checkpoint (a Hugging Face directory with lait.yaml), and written back as one.
#pragma once
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/packing.h"
#include "lait/model/bert.h"
#include "lait/model/device_batch.h"
#include "lait/model/head.h"
#include "lait/model/hf_config.h"
#include "lait/text/tokenizer.h"

namespace lait {

// What a checkpoint says beside weights and tokenizer: everything that turns texts into predictions (lait.yaml).
struct ModelSpec {
  std::vector<Stage> stages;                          // adds up to L
  SegmentFormat format = SegmentFormat::kStandalone;  // resolved: kStandalone or kPair
  Pooling pooling = Pooling::kClsSegments;
  Head head = Head::kClassifier;
  int64_t max_segment_tokens = 0;  // resolved: at most the model's positions
  OnOverflow on_overflow = OnOverflow::kTruncate;
  std::string task;
  std::vector<std::string> labels;  // classifier: names by index; empty for regression
  int64_t num_outputs() const {
    return head == Head::kRegression ? 1 : static_cast<int64_t>(labels.size());
  }
  PackPlan pack_plan() const;
  TokenizeOptions tokenize_options() const;
  int64_t independent_layers() const;  // layers before the first example-scope layer
};

// Where load_pretrained has the head from.
enum class HeadOrigin {
  kNew,         // the checkpoint has none
  kCheckpoint,  // its own
  kReplaced     // a new one: the checkpoint's is of other labels or another shape
};

class ModelImpl : public torch::nn::Module {
 public:
  ModelImpl(const HfConfig& config, const ModelSpec& spec, at::ScalarType compute_dtype);
  // The parameters as Hugging Face names them: q, k and v as views of the fused leaf.
  std::vector<std::pair<std::string, at::Tensor>> checkpoint_tensors() const;
  // (B, num_outputs) float logits, or scores of a regression. Examples in the batch's order.
  at::Tensor forward(const DeviceBatch& batch, const Randomness& randomness);
  // What packing a batch for this model must know, its device included.
  PackPlan pack_plan() const;
  void move_to(at::Device device);
  // Refreshes the compute-dtype copies of the parameters; call after every change of a parameter.
  void refresh_shadows();

  HfConfig config;
  ModelSpec spec;
  at::ScalarType compute_dtype;  // kFloat or kBFloat16
  BertModel bert{nullptr};
  PoolingHead classifier{nullptr};
  HeadOrigin head_origin = HeadOrigin::kNew;

 private:
  PackPlan plan_;
};
TORCH_MODULE(Model);

// Throws UserError where a checkpoint's files do not belong together: a schedule of other layers, more positions, token types
// or tokens than config.json has, weights of a much smaller model (before memory for the larger one is asked for).
void check_fits(const std::filesystem::path& dir, const ModelSpec& spec, const HfConfig& config);
void check_fits(const std::filesystem::path& dir, const Tokenizer& tokenizer,
                const HfConfig& config);

// A pretrained encoder with a new head, initialised from seed, or with the checkpoint's: where its shape is right and its
// labels are the spec's, in their order, or have no names (config.json's id2label).
Model load_pretrained(const std::filesystem::path& dir, const ModelSpec& spec,
                      const ModelConfig& overrides, at::ScalarType compute_dtype, uint64_t seed);
// A checkpoint written by save_checkpoint. Throws UserError where lait.yaml is missing or does not fit the weights.
Model load_checkpoint(const std::filesystem::path& dir, at::ScalarType compute_dtype);
// The same weights under another spec, as spec_at makes it.
Model load_checkpoint(const std::filesystem::path& dir, const ModelSpec& spec,
                      at::ScalarType compute_dtype);
// Copies the weights of a directory that save_checkpoint wrote into a model of the same shape.
void load_weights(const std::filesystem::path& dir, Model& model);
// config.json, model.safetensors, lait.yaml; the tokenizer's files are the caller's (Tokenizer::save).
void save_checkpoint(const Model& model, const std::filesystem::path& dir);
ModelSpec read_spec(const std::filesystem::path& dir);
std::string write_spec(const ModelSpec& spec);  // the text of lait.yaml
// Throws UserError "expected …, got …" where a model of that spec cannot take the example: the task has another number of
// segments, the schedule needs groups, or the head would not see all segments.
void check_example(const Example& example, const ModelSpec& spec);
// The same of all; the text names the example.
void check_examples(std::span<const Example> examples, const ModelSpec& spec);

// cross entropy (with label smoothing) or mean squared error over the batch's examples: a scalar, float.
at::Tensor compute_loss(const at::Tensor& logits, const DeviceBatch& batch, const ModelSpec& spec,
                        double label_smoothing);

}  // namespace lait
