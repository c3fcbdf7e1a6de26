// The span head: where in a passage the answer to a question begins and ends, or that it has none.
// Two logits, of a start and of an end, for each token of the passage and for the example's first
// row, which stands for "no answer" (what transformers' ...ForQuestionAnswering computes, but for
// the question's rows and the special tokens', which can be no answer). Trained with the mean of
// the two cross entropies over these candidates.
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/nll_loss.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <limits>

#include "lait/base/error.h"
#include "lait/model/head.h"

namespace lait {
namespace {

constexpr int64_t kStart = 0, kEnd = 1, kNumOutputs = 2;
// An answer's most tokens, as in transformers' examples.
constexpr int64_t kMostTokens = 30;

// The best span of tokens [0, size), whose logits are `rows` (size, 2).
SpanPrediction best_span(const float* rows, int64_t size) {
  SpanPrediction best{.score = -std::numeric_limits<double>::infinity()};
  for (int64_t begin = 0; begin < size; ++begin) {
    const int64_t behind = std::min(size, begin + kMostTokens);
    for (int64_t last = begin; last < behind; ++last) {
      const double score =
          double{rows[kNumOutputs * begin + kStart]} + double{rows[kNumOutputs * last + kEnd]};
      if (score > best.score || begin + last == 0)
        best = {.begin = begin, .end = last + 1, .score = score};
    }
  }
  return best;
}

class SpanImpl final : public HeadImpl {
 public:
  explicit SpanImpl(const HfConfig& config)
      : hidden_size_(config.hidden_size),
        max_tokens_(config.max_tokens),
        tensors_(config.family->head_tensors(HeadKind::kSpan, /*on_first_row=*/true)) {
    output_ = register_module("output", Linear(hidden_size_, kNumOutputs, at::kFloat));
  }

  Outputs forward(const EncoderStates& states, const DeviceBatch& batch,
                  const Randomness&) override {
    const HeadRows& head = batch.packed.head;
    const at::Tensor rows =
        head.rows.index.size > 0 ? gather(states.rows, batch, head.rows) : states.rows;
    const int32_t* offset = batch.packed.ints.data() + head.row_offsets.begin;
    Outputs out{.values = {}, .offsets = {offset, offset + batch.num_examples() + 1}};
    out.values = output_(rows.to(at::kFloat)).narrow(0, 0, out.offsets.back());
    return out;
  }

  // Among the example's candidates, the rows of start and end (B, 2) int64: 0 for no answer, -1 for
  // no label. Of several answers the first counts.
  at::Tensor labels(std::span<const Label> labels) const override {
    const at::Tensor out = at::empty({std::ssize(labels), kNumOutputs}, at::kLong);
    auto* row = out.mutable_data_ptr<int64_t>();
    for (const Label& label : labels) {
      const auto* known = std::get_if<SpanLabel>(&label);
      if (known == nullptr && has_label(label))
        throw UserError("a span head takes spans as labels, got others");
      const int64_t none = known == nullptr ? kNoLabel : 0;
      const bool has_answer = known != nullptr && !known->any_of.empty();
      // The first row comes before the tokens.
      *row++ = has_answer ? 1 + known->any_of.front().begin : none;
      *row++ = has_answer ? known->any_of.front().end : none;
    }
    return out;
  }

  at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                  const TrainingConfig&) const override {
    const at::Tensor log_probabilities = at::log_softmax(padded(outputs, batch), 1);
    TORCH_CHECK(batch.labels.device() == log_probabilities.device(),
                "loss: labels and outputs on different devices");
    return at::nll_loss(log_probabilities.transpose(1, 2).flatten(0, 1), batch.labels.flatten(),
                        /*weight=*/{}, at::Reduction::Mean, /*ignore_index=*/kNoLabel);
  }

  // The mean of the Kullback-Leibler divergences of start and end, over the candidates.
  at::Tensor soft_loss(const Outputs& outputs, const DeviceBatch& batch, const Outputs& teacher,
                       double temperature) const override {
    const at::Tensor student = padded(outputs, batch), is_none = student.isneginf();
    const at::Tensor log_student = at::log_softmax(student / temperature, 1),
                     log_teacher = at::log_softmax(
                         padded({teacher.values, outputs.offsets}, batch) / temperature, 1);
    const at::Tensor summands = log_teacher.exp() * (log_teacher - log_student);
    return summands.masked_fill(is_none, 0).sum({1, 2}) * (temperature * temperature / kNumOutputs);
  }

  // Of each example's text; which of several windows of a passage has the answer is another
  // question (lait/predict/answers.h).
  std::vector<Prediction> predict(const Outputs& outputs) const override {
    const at::Tensor logits = outputs.values.to(at::kCPU, at::kFloat).contiguous();
    const float* rows = logits.const_data_ptr<float>();
    std::vector<Prediction> out(outputs.num_examples());
    for (size_t i = 0; i < out.size(); ++i) {
      const int64_t size = outputs.offsets[i + 1] - outputs.offsets[i];
      if (size > 1) {
        SpanPrediction best = best_span(rows + kNumOutputs, size - 1);
        best.no_answer = double{rows[kStart]} + double{rows[kEnd]};
        out[i].value = out[i].score = best.score;
        out[i].span = best;
      }
      rows += kNumOutputs * size;
    }
    return out;
  }

  double label_value(const Label&) const override {
    throw UserError("answers are compared as texts, got a label to compare with a number");
  }

  const HeadTensors& tensors() const override { return tensors_; }
  void initialise(uint64_t seed, double range) override {
    fill_normal(output_->weight, seed, range);
    at::NoGradGuard no_grad;
    output_->bias.zero_();
  }
  // A start and an end are no labels, so their order is always this.
  void reorder_outputs(const std::vector<int64_t>&) override {}
  at::Tensor output_weight() const override { return output_->weight; }
  // At most: a window may be shorter.
  int64_t saved_floats() const override { return max_tokens_ * (hidden_size_ + 2 * kNumOutputs); }

 private:
  static constexpr int64_t kNoLabel = -1;

  // (B, longest, 2): the candidates' logits; -infinity where an example has fewer.
  static at::Tensor padded(const Outputs& outputs, const DeviceBatch& batch) {
    const int64_t examples = outputs.num_examples();
    // The batch has the offsets on its device; a whole data set's outputs are on the host.
    const HeadRows& head = batch.packed.head;
    const at::Tensor offsets =
        batch.ints.defined() ? batch.view(head.row_offsets).narrow(0, 0, examples + 1).to(at::kLong)
                             : at::tensor(outputs.offsets);
    int64_t longest = 1;
    for (int64_t i = 0; i < examples; ++i)
      longest = std::max(longest, outputs.offsets[i + 1] - outputs.offsets[i]);
    const at::Tensor index =
        offsets.narrow(0, 0, examples).unsqueeze(1) + at::arange(longest, offsets.options());
    const at::Tensor is_none = index >= offsets.narrow(0, 1, examples).unsqueeze(1);
    // A row behind an example's last one reads that of another example, and counts nothing.
    return outputs.values.index_select(0, index.clamp_max(outputs.offsets.back() - 1).flatten())
        .view({examples, longest, kNumOutputs})
        .masked_fill(is_none.unsqueeze(2), -std::numeric_limits<float>::infinity());
  }

  int64_t hidden_size_, max_tokens_;
  HeadTensors tensors_;
  Linear output_{nullptr};
};

}  // namespace

HeadInfo span_head() {
  return {.kind = HeadKind::kSpan,
          .labels = {LabelKind::kSpans},
          .pools = false,
          .reads = [](Pooling) -> Reads {
            return {.rows = Reads::Rows::kFirstAndTexts, .row_segments = {1}};
          },
          .pipeline = "question-answering",
          .auto_class = "AutoModelForQuestionAnswering",
          .make = [](const HfConfig& config, const HeadOptions&) -> std::shared_ptr<HeadImpl> {
            return std::make_shared<SpanImpl>(config);
          }};
}

}  // namespace lait
