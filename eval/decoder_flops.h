// FLOPs of a decoder, counted from the offsets that packing computes; a multiply-add is 2 FLOPs.
//   cross_attention   its q, k, v and O projections, scores and context; k and v once for each
//                     encoder row that is computed, however many target rows read them
//   decoder           self-attention and FFN of the target rows
//   logits            the product with the output layer
// In prediction an example's target rows are those of every label, in training of its own.
#pragma once
#include <array>

#include "lait/model/model.h"

namespace lait {

struct DecoderFlops {
  double cross_attention = 0, decoder = 0, logits = 0;
  double total() const { return cross_attention + decoder + logits; }
};

// By name, in the order of reports.
struct DecoderFlopKind {
  const char* name;
  double DecoderFlops::*member;
};
inline constexpr std::array<DecoderFlopKind, 3> kDecoderFlopKinds{
    {{"cross_attention", &DecoderFlops::cross_attention},
     {"decoder", &DecoderFlops::decoder},
     {"logits", &DecoderFlops::logits}}};

// Of a batch with targets (HeadImpl::add_targets); zeros if it has none.
DecoderFlops decoder_flops(const HfConfig& config, const PackedBatch& batch);
// Of one example; `labels_only`: in training.
DecoderFlops decoder_flops(const Model& model, const Dataset& dataset, int64_t example,
                           bool labels_only);
// Mean per example, in prediction; zeros for a model without decoder.
DecoderFlops mean_decoder_flops(const Model& model, const Dataset& dataset);

}  // namespace lait
