// The text head: the decoder writes the label (T5, arXiv 1910.10683). Trained with the mean cross
// entropy of the label's tokens. It predicts the label whose text is the most probable: a label's
// score is the sum of log p over its tokens and the end token, whatever their number. All labels of
// an example are sequences of one decoder batch and see the same encoder rows.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "lait/base/error.h"
#include "lait/data/target_rows.h"
#include "lait/model/decoder.h"
#include "lait/model/head.h"
#include "lait/model/spec.h"

namespace lait {
namespace {

constexpr int64_t kNoLabel = -1;
// Rows whose logits exist at once in prediction; a multiple of kRowMultiple.
constexpr int64_t kLogitRows = 512;

class TextImpl final : public HeadImpl {
 public:
  TextImpl(const HfConfig& config, const HeadOptions& options)
      : labels_(options.labels),
        texts_(options.texts),
        values_(options.values),
        decoder_(options.decoder),
        start_token_(static_cast<int32_t>(config.decoder_start_token_id)),
        vocab_size_(config.vocab_size),
        tensors_(config.family->head_tensors(HeadKind::kText, /*on_first_row=*/false)) {
    TORCH_CHECK(decoder_ != nullptr, "text head: the model has no decoder");
  }

  void use_tokenizer(const Tokenizer& tokenizer) override {
    targets_.clear();
    longest_ = 0;
    for (const std::string& text : texts_) {
      targets_.push_back(target_tokens(text, tokenizer));
      longest_ = std::max(longest_, std::ssize(targets_.back()));
    }
  }

  void add_targets(PackedBatch& batch, bool labels_only, int64_t cuda_head_dim) const override {
    TORCH_CHECK(!targets_.empty(), "text head: use_tokenizer was not called");
    std::vector<TargetSequences> sequences;
    for (const Label& label : batch.labels) {
      const int64_t index = labels_only ? index_of(label) : 0;
      sequences.push_back(!labels_only        ? TargetSequences(targets_)
                          : index == kNoLabel ? TargetSequences()
                                              : TargetSequences(targets_).subspan(index, 1));
    }
    pack_targets(batch, sequences, start_token_, cuda_head_dim);
  }

  // Of the label's tokens if the batch has only these: (rows, 1) with the examples' offsets; else
  // of every label: (B, labels).
  Outputs forward(const EncoderStates& states, const DeviceBatch& batch,
                  const Randomness& randomness) override {
    const PackedBatch& packed = batch.packed;
    const TargetRows& targets = packed.targets.value();
    const at::Tensor log_p =
        log_probabilities(decoded(states, batch, randomness), batch.view(targets.targets));
    const int64_t examples = packed.num_examples;
    if (targets.num_sequences > examples)
      return {sums(log_p, batch.view(targets.offsets), targets).view({examples, -1})};
    const int32_t* offset = packed.ints.data() + targets.example_offsets.begin;
    return {.values = log_p.narrow(0, 0, targets.live_rows).unsqueeze(1),
            .offsets = {offset, offset + examples + 1}};
  }

  // Class indices (B) int64, -1: none.
  at::Tensor labels(std::span<const Label> labels) const override {
    const at::Tensor out = at::empty({std::ssize(labels)}, at::kLong);
    std::ranges::transform(labels, out.mutable_data_ptr<int64_t>(),
                           [&](const Label& label) { return index_of(label); });
    return out;
  }

  // The mean over tokens.
  at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                  const TrainingConfig&) const override {
    if (!outputs.offsets.empty())
      return -outputs.values.sum() / static_cast<double>(outputs.values.size(0));
    // Of an evaluation, on the host.
    const at::Tensor index = batch.labels.cpu();
    double tokens = 0;
    for (int64_t i = 0; i < index.size(0); ++i)
      tokens += static_cast<double>(targets_[index[i].item<int64_t>()].size());
    return -outputs.values.cpu().gather(1, index.unsqueeze(1)).sum() / tokens;
  }

  double example_weight(const Label& label) const override {
    const int64_t index = index_of(label);
    return index == kNoLabel ? 0 : static_cast<double>(targets_[index].size());
  }

  std::vector<Prediction> predict(const Outputs& outputs) const override {
    const at::Tensor sums = outputs.values.to(at::kCPU, at::kFloat).contiguous();
    const at::Tensor probabilities = at::softmax(sums.to(at::kDouble), 1).contiguous();
    const int64_t size = std::ssize(texts_);
    const float* sum = sums.const_data_ptr<float>();
    const double* row = probabilities.const_data_ptr<double>();
    std::vector<Prediction> out(sums.size(0));
    for (Prediction& prediction : out) {
      // The first of the largest sums.
      const int64_t best = std::max_element(sum, sum + size) - sum;
      if (values_.empty()) {
        prediction = {labels_[best], row[best], {row, row + size}, static_cast<double>(best)};
      } else {
        prediction.score = prediction.value = values_[best];
      }
      sum += size;
      row += size;
    }
    return out;
  }

  double label_value(const Label& label) const override {
    if (const auto* number = std::get_if<NumberLabel>(&label); number && !values_.empty())
      return number->value;
    const int64_t index = index_of(label);
    if (index != kNoLabel) return static_cast<double>(index);
    throw UserError("evaluation needs a label among the model's " + std::to_string(texts_.size()) +
                    ", got none");
  }

  const HeadTensors& tensors() const override { return tensors_; }
  // It has no weights of its own.
  void initialise(uint64_t, double) override {}
  void reorder_outputs(const std::vector<int64_t>&) override {}
  at::Tensor output_weight() const override { return decoder_->output_weight(); }
  // The logits of the longest label's rows, and what their backward needs.
  int64_t saved_floats() const override { return longest_ * vocab_size_; }

 private:
  // The label's index among the texts: of a number the nearest one's.
  int64_t index_of(const Label& label) const {
    if (const auto* known = std::get_if<ClassLabel>(&label); known && values_.empty())
      return known->index;
    if (const auto* number = std::get_if<NumberLabel>(&label); number && !values_.empty())
      return nearest_value(values_, number->value);
    if (has_label(label))
      throw UserError(std::string("a text head for ") + (values_.empty() ? "classes" : "numbers") +
                      " got other labels");
    return kNoLabel;
  }

  // (R, C)
  at::Tensor decoded(const EncoderStates& states, const DeviceBatch& batch,
                     const Randomness& randomness) {
    const PackedBatch& packed = batch.packed;
    const TargetRows& targets = *packed.targets;
    const CrossKeys cross = cross_keys(*decoder_, states.rows, batch, randomness);
    const auto units = [&](const Slice& queries, const at::Tensor& keys, const Slice& ids,
                           const Work& work) {
      ops::AttentionUnits out{batch.view(queries), keys, std::nullopt, batch.view(ids)};
      add_work(out, batch, work);
      return out;
    };
    const DecoderRows rows{
        .token_ids = batch.view(targets.token_ids),
        .sequences = units(targets.offsets, batch.view(targets.offsets), targets.sequence_ids,
                           targets.self_work),
        .examples =
            units(targets.example_offsets, cross.offsets, targets.example_ids, targets.cross_work),
        .names = {batch.view(targets.row_unit_ids), batch.view(targets.row_positions)}};
    return decoder_->forward(rows, cross.keys_values, randomness);
  }

  // log p of each row's target: (R, C), (R) -> (R) float.
  at::Tensor log_probabilities(const at::Tensor& states, const at::Tensor& targets) {
    const auto part = [&](int64_t begin, int64_t size) {
      const at::Tensor logits = decoder_->logits(states.narrow(0, begin, size));
      const at::Tensor index = targets.narrow(0, begin, size).to(at::kLong).unsqueeze(1);
      return at::gather(logits, 1, index).squeeze(1) - at::logsumexp(logits, {1});
    };
    const int64_t rows = states.size(0);
    if (at::GradMode::is_enabled()) return part(0, rows);
    std::vector<at::Tensor> parts;
    for (int64_t begin = 0; begin < rows; begin += kLogitRows)
      parts.push_back(part(begin, std::min(kLogitRows, rows - begin)));
    return at::cat(parts);
  }

  // Each sequence's sum, in its order, so that it has the same bits whatever stands beside it.
  at::Tensor sums(const at::Tensor& log_p, const at::Tensor& offsets,
                  const TargetRows& targets) const {
    const int64_t sequences = targets.num_sequences;
    const at::Tensor begin = offsets.narrow(0, 0, sequences).to(at::kLong),
                     end = offsets.narrow(0, 1, sequences).to(at::kLong);
    at::Tensor total = at::zeros({sequences}, log_p.options());
    for (int64_t i = 0; i < longest_; ++i) {
      const at::Tensor row = begin + i, is_none = row >= end;
      total =
          total + log_p.index_select(0, row.clamp_max(log_p.size(0) - 1)).masked_fill(is_none, 0);
    }
    return total;
  }

  std::vector<std::string> labels_, texts_;
  // The numbers that the texts are; empty for classes.
  std::vector<double> values_;
  // By label, with the end token.
  std::vector<std::vector<int32_t>> targets_;
  int64_t longest_ = 0;  // tokens of one
  std::shared_ptr<DecoderImpl> decoder_;
  int32_t start_token_;
  int64_t vocab_size_;
  HeadTensors tensors_;
};

}  // namespace

HeadInfo text_head() {
  return {
      .kind = HeadKind::kText,
      .labels = {LabelKind::kClass, LabelKind::kNumber},
      .needs_decoder = true,
      .soft_labels = SoftLabels::kNone,
      .pools = false,
      .reads = [](Pooling) -> Reads { return {.rows = Reads::Rows::kAll}; },
      .pipeline = "text2text-generation",
      .auto_class = "AutoModelForSeq2SeqLM",
      .make = [](const HfConfig& config, const HeadOptions& options) -> std::shared_ptr<HeadImpl> {
        return std::make_shared<TextImpl>(config, options);
      }};
}

}  // namespace lait
