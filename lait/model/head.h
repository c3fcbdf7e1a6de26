// Heads: one file each, found through the one list in heads.cpp. A head says what it reads from the
// encoder, and computes outputs, their loss, and predictions. No other code names a head or a
// pooling.
#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/task.h"
#include "lait/model/decoder.h"
#include "lait/model/encoder.h"
#include "lait/model/family.h"

namespace lait {

// The outputs for the examples of a batch or a data set, in their order.
struct Outputs {
  // (N, K) float: one row for each example; with offsets (rows of all examples, K).
  at::Tensor values;
  // (N + 1) where each example's rows begin; empty: one row each.
  std::vector<int64_t> offsets = {};

  int64_t num_examples() const {
    return offsets.empty() ? values.size(0) : static_cast<int64_t>(offsets.size()) - 1;
  }
  // Of the first `count` examples.
  Outputs first(int64_t count) const {
    if (offsets.empty()) return {values.narrow(0, 0, count)};
    return {values.narrow(0, 0, offsets[count]), {offsets.begin(), offsets.begin() + count + 1}};
  }
};

// The examples of all parts, one after another.
Outputs concatenated(const std::vector<Outputs>& parts);

// The best span of an example's text: tokens [begin, end), and the sum of its two logits.
struct SpanPrediction {
  int64_t begin = 0, end = 0;
  double score = 0;
  // The logits' sum for "no answer".
  double no_answer = 0;
};

// The model's prediction for one example.
struct Prediction {
  // The most probable class; "" for a head without classes.
  std::string label{};
  // The probability of that class; for a head without classes its score.
  double score = 0;
  // By class, in the order of the labels; empty for a head without classes.
  std::vector<double> probabilities{};
  // The value that metrics compare: the class's index, or the score.
  double value = 0;
  // Of a head that finds spans; none: the text has no token.
  std::optional<SpanPrediction> span{};
};

struct HeadOptions {
  Pooling pooling{};
  // Classes by index; empty for a head without classes.
  std::vector<std::string> labels{};
  // What a head that writes texts writes for each class, or for each of its numbers.
  std::vector<std::string> texts{};
  // Those numbers; empty for classes.
  std::vector<double> values{};
  // Not null if the head needs it.
  std::shared_ptr<DecoderImpl> decoder{};
};

class HeadImpl : public torch::nn::Module {
 public:
  // Called once, before batches are made: heads that write texts keep the tokens of theirs.
  virtual void use_tokenizer(const Tokenizer&) {}
  // Appends what the decoder reads, for the label of each example only (training), or for every
  // label that can be. `cuda_head_dim` as in PackPlan.
  virtual void add_targets(PackedBatch&, bool /*labels_only*/, int64_t /*cuda_head_dim*/) const {}
  // For the batch's examples: (B, K) float, or ragged.
  virtual Outputs forward(const EncoderStates& states, const DeviceBatch& batch,
                          const Randomness& randomness) = 0;
  // Labels in the form that `loss` takes, on the host. Throws UserError for labels of another kind.
  virtual at::Tensor labels(std::span<const Label> labels) const = 0;
  // The mean over the examples, by their weights; a float scalar. batch.labels comes from `labels`.
  virtual at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                          const TrainingConfig& config) const = 0;
  // (B) float: of each example, how far the outputs are from a teacher's, which have the same rows.
  // Where they are logits, both are divided by the temperature, and the loss multiplied by its
  // square (Hinton et al., arXiv 1503.02531). REQUIRES: HeadInfo::soft_labels is not kNone.
  virtual at::Tensor soft_loss(const Outputs& outputs, const DeviceBatch& batch,
                               const Outputs& teacher, double temperature) const;
  // Weights of the classes in `loss`, in the order of the labels. REQUIRES: the head has classes,
  // and this was not called before.
  virtual void weigh_classes(const std::vector<double>& weights);
  // Of an example with that label in the mean that `loss` computes.
  virtual double example_weight(const Label&) const { return 1; }
  virtual std::vector<Prediction> predict(const Outputs& outputs) const = 0;
  // A label in the form of Prediction::value, for metrics. Throws UserError "…got …" for a label
  // that this head does not have.
  virtual double label_value(const Label& label) const = 0;
  // How checkpoints store it.
  virtual const HeadTensors& tensors() const = 0;
  // Draws new weights from the seed.
  virtual void initialise(uint64_t seed, double range) = 0;
  // Makes output order[i] the i-th, for each i.
  virtual void reorder_outputs(const std::vector<int64_t>& order) = 0;
  // The output layer's weight, (outputs, features); its shape tells one head from another.
  virtual at::Tensor output_weight() const = 0;
  // Floats that forward saves for backward, for each example.
  virtual int64_t saved_floats() const = 0;
};

// What a teacher's outputs are to a head: nothing, numbers, or logits, which have a temperature.
enum class SoftLabels { kNone, kNumbers, kLogits };

struct HeadInfo {
  HeadKind kind;
  // The kinds of labels that it can be trained on; a model has one of them.
  std::vector<LabelKind> labels;
  bool needs_decoder = false;
  // Whether class_weights and label_smoothing mean something in its loss.
  bool has_class_loss = false;
  SoftLabels soft_labels = SoftLabels::kLogits;
  // Whether model.pooling says what it reads.
  bool pools = true;
  // What it reads from the encoder.
  Reads (*reads)(Pooling);
  // The problem_type of transformers' config.json; a head that does not pool has none.
  const char* problem_type = "";
  // What transformers calls it.
  const char* pipeline = "text-classification";
  const char* auto_class = "AutoModelForSequenceClassification";
  std::shared_ptr<HeadImpl> (*make)(const HfConfig& config, const HeadOptions& options);
};

inline bool takes(const HeadInfo& head, LabelKind labels) {
  return std::ranges::find(head.labels, labels) != head.labels.end();
}

// What a head's labels are in a task: the task's own, or with a task of open labels (jsonl) those
// that the head takes.
LabelKind label_kind(const HeadInfo& head, const Task& task);

// The list; for a kind of label, earlier heads are preferred.
const std::vector<HeadInfo>& all_heads();
const HeadInfo& find_head(HeadKind kind);
// The default for a task and a family: one with a decoder writes its labels.
HeadKind head_for(LabelKind labels, const Family& family);

// Throws UserError if a head with that pooling would not see all of an example's segments. Its
// message ends with `way_out`.
void check_pooling(
    Pooling pooling, const Schedule& schedule, bool several_segments,
    const std::string& way_out = "use cls_segments or segments, or fewer independent_layers");

}  // namespace lait
