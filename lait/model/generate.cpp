#include "lait/model/generate.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace lait {

std::vector<GeneratedTokens> generate(Model& model, const DeviceBatch& batch,
                                      const GenerateOptions& options) {
  TORCH_CHECK(model->decoder != nullptr, "generate: the model has no decoder");
  const at::NoGradGuard no_grad;
  DecoderImpl& decoder = *model->decoder;
  const EncoderStates states = model->encoder->forward(batch, {});
  const CrossKeys cross = cross_keys(decoder, states.rows, batch, {});
  const int64_t examples = batch.num_examples(), rows = round_rows(examples);
  const auto ints = at::TensorOptions(at::kInt).device(model->device());
  const at::Tensor none = at::zeros({rows}, ints), one_each = at::arange(examples + 1, at::kInt);
  const auto units = [&](const at::Tensor& keys) {
    ops::AttentionUnits out{one_each.to(model->device()), keys.to(model->device()), std::nullopt,
                            none.narrow(0, 0, examples)};
    if (model->device().is_cuda()) {
      const auto [tiles, blocks] =
          ops::attention_work(one_each, keys.cpu(), model->config.head_dim);
      out.work = tiles.to(model->device());
      out.work_blocks = blocks;
    }
    return out;
  };
  DecoderRows next{.token_ids = at::full({rows}, model->config.decoder_start_token_id, ints),
                   .examples = units(cross.offsets),
                   .names = {none, none}};
  DecoderPast past;
  std::vector<GeneratedTokens> out(examples);
  std::vector<bool> ended(examples, false);
  for (int64_t t = 0; t < options.max_tokens && std::ranges::count(ended, false) > 0; ++t) {
    next.sequences = units(one_each * (t + 1));
    const at::Tensor states_of_rows = decoder.forward(next, cross.keys_values, {}, &past);
    const auto [logits, tokens] = decoder.logits(states_of_rows).max(1);
    next.token_ids = tokens.to(at::kInt);
    const at::Tensor made = next.token_ids.cpu(), finite = logits.isfinite().cpu();
    const int32_t* token = made.const_data_ptr<int32_t>();
    const bool* is_finite = finite.const_data_ptr<bool>();
    for (int64_t i = 0; i < examples; ++i) {
      if (ended[i]) continue;
      out[i].is_finite = out[i].is_finite && is_finite[i];
      ended[i] = token[i] == options.end_token;
      if (!ended[i]) out[i].tokens.push_back(token[i]);
    }
  }
  return out;
}

}  // namespace lait
