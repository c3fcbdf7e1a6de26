// FLOPs of T5's decoder against a count by hand: every product and every pair that is visible.
#include "eval/decoder_flops.h"

#include <gtest/gtest.h>

#include "tests/base/temporary_folder.h"
#include "tests/model/small_t5.h"

namespace lait {
namespace {

TEST(DecoderFlops, AreThoseOfItsProducts) {
  const TemporaryFolder folder;
  const std::vector<Example> examples = t5_examples(/*seed=*/9, 6);
  for (const bool gated : {false, true}) {
    for (const int64_t p : {0, 2, 4}) {
      const ModelSpec spec =
          t5_spec(split_schedule(p, 4), p == 0 ? SegmentFormat::kPair : SegmentFormat::kStandalone,
                  HeadKind::kText);
      const Model model = fresh_t5(folder.path(), t5_config(gated), spec, at::kFloat);
      const Dataset dataset = t5_dataset(model, examples);
      // As in small_t5.h.
      const double width = 96, attention = 3 * 64, inner = 160, vocab = 600, layers = 2;
      const std::vector<double> all_labels{4, 2, 3};  // tokens, the end among them
      for (int64_t i = 0; i < dataset.size(); ++i) {
        const auto keys = static_cast<double>(dataset.example_length(i));
        // At P = L equal segments of an example are one in the encoder.
        const TokenizedExample tokenized = dataset.example(i);
        double encoder_rows = keys;
        if (p == 4 && tokenized.sequences[0] == tokenized.sequences[1]) encoder_rows = keys / 2;
        const auto label = std::get<ClassLabel>(tokenized.label).index;
        for (const bool labels_only : {true, false}) {
          double rows = 0, causal = 0;
          for (size_t k = 0; k < all_labels.size(); ++k) {
            if (labels_only && static_cast<int64_t>(k) != label) continue;
            rows += all_labels[k];
            for (double row = 1; row <= all_labels[k]; ++row) causal += row;
          }
          const double cross = 2 * encoder_rows * width * attention +  // k, v
                               2 * rows * width * attention +          // q, o
                               2 * rows * keys * attention;            // scores, context
          const double own = 4 * rows * width * attention + 2 * causal * attention +
                             rows * width * inner * (gated ? 3 : 2);
          const DecoderFlops flops = decoder_flops(model, dataset, i, labels_only);
          EXPECT_EQ(flops.cross_attention, 2 * layers * cross) << "P " << p << ", example " << i;
          EXPECT_EQ(flops.decoder, 2 * layers * own);
          EXPECT_EQ(flops.logits, 2 * rows * width * vocab);
        }
      }
      const DecoderFlops mean = mean_decoder_flops(model, dataset);
      double sum = 0;
      for (int64_t i = 0; i < dataset.size(); ++i)
        sum += decoder_flops(model, dataset, i, /*labels_only=*/false).total();
      EXPECT_NEAR(mean.total(), sum / 6, 1e-6 * mean.total());
    }
  }
}

TEST(DecoderFlops, OfAModelWithoutDecoderAreNone) {
  const SmallBert small;
  const Model model =
      small.model(small.spec(1, SegmentFormat::kStandalone, Pooling::kMean), at::kFloat);
  const Dataset dataset = small.dataset(model->spec, small.random_examples(1, 2));
  EXPECT_EQ(mean_decoder_flops(model, dataset).total(), 0);
}

}  // namespace
}  // namespace lait
