// The parameters that the kernels refuse, with the text of the messages, and the choice of the
// instruction set.
#include <gtest/gtest.h>

#include "kernels/cpu/dispatch.h"
#include "tests/kernels/attention_case.h"

namespace lait::kernels::testing {
namespace {

constexpr int32_t kFalling[] = {3, 7, 5}, kFar[] = {3, 6, 99}, kNegative[] = {-1, 6, 10},
                  kLong[] = {0, 0, 65537}, kWords[13] = {};
constexpr float kTable[] = {1, 2};

template <class Change>
std::string error_of(const Change& change, bool backward = false) {
  const Problem p = make_problem(DType::kFloat32, 2, 32, {"some", {3, 4}},
                                 {.name = "all", .bias = true, .dropout = 0.1f}, 1);
  std::string texts[2];
  for (int i = 0; i < 2; ++i) {
    Call call(p);
    change(call.grad);
    try {
      if (backward) {
        (i == 0 ? cpu::segment_attention_backward
                : reference::segment_attention_backward)(call.grad);
      } else {
        (i == 0 ? cpu::segment_attention_forward
                : reference::segment_attention_forward)(call.grad.forward);
      }
    } catch (const std::invalid_argument& e) {
      texts[i] = e.what();
    }
  }
  EXPECT_EQ(texts[0], texts[1]);
  return texts[0];
}

TEST(Checks, HeadDim) {
  EXPECT_EQ(error_of([](auto& g) { g.forward.head_dim = 80; }),
            "segment_attention: head_dim must be one of {32, 64, 128}, got 80");
}

TEST(Checks, Dropout) {
  EXPECT_EQ(error_of([](auto& g) { g.forward.dropout.p = 1; }),
            "segment_attention: dropout.p must be in [0, 1), got 1.000000");
  EXPECT_EQ(error_of([](auto& g) { g.forward.dropout.p = std::nanf(""); }),
            "segment_attention: dropout.p must be in [0, 1), got nan");
  EXPECT_EQ(error_of([](auto& g) { g.forward.unit_ids = nullptr; }),
            "segment_attention: dropout needs unit_ids, got null");
}

TEST(Checks, Offsets) {
  EXPECT_EQ(
      error_of([](auto& g) { g.forward.q_offsets = kFalling; }),
      "segment_attention: q_offsets must be non-decreasing within [0, 13], got 5 after 7 at [2]");
  EXPECT_EQ(
      error_of([](auto& g) { g.forward.k_offsets = kFar; }),
      "segment_attention: k_offsets must be non-decreasing within [0, 13], got 99 after 6 at [2]");
  EXPECT_EQ(
      error_of([](auto& g) { g.forward.k_offsets = kNegative; }),
      "segment_attention: k_offsets must be non-decreasing within [0, 13], got -1 after 0 at [0]");
  EXPECT_EQ(error_of([](auto& g) { g.forward.k_offsets = nullptr; }),
            "segment_attention: k_offsets must not be null");
}

TEST(Checks, DropoutCountsPositionsInSixteenBits) {
  EXPECT_EQ(error_of([](auto& g) {
              g.forward.k_offsets = kLong;
              g.forward.num_k_rows = 65537;
            }),
            "segment_attention: dropout counts positions below 65536, got a unit of 65537 keys");
}

TEST(Checks, Bias) {
  EXPECT_EQ(error_of([](auto& g) { g.forward.bias.num_buckets = 3; }),
            "segment_attention: bias needs an even num_buckets >= 4 (bidirectional), got 3");
  EXPECT_EQ(error_of([](auto& g) { g.forward.bias.max_distance = 8; }),
            "segment_attention: bias.max_distance must be above 8 (the distances with a bucket of "
            "their own), got 8");
}

TEST(Checks, LexicalBias) {
  EXPECT_EQ(error_of([](auto& g) { g.forward.lexical.table = kTable; }),
            "segment_attention: the lexical bias needs the words of queries and keys, got null");
  EXPECT_EQ(error_of([](auto& g) {
              g.forward.lexical = {kTable, kWords, kWords};
              g.forward.scale = 0;
            }),
            "segment_attention: the lexical bias needs a scale other than 0");
}

TEST(Checks, BackwardNeedsLse) {
  EXPECT_EQ(error_of([](auto& g) { g.forward.lse = nullptr; }, /*backward=*/true),
            "segment_attention: backward needs lse, got null");
}

TEST(Capability, NamesAndMistakes) {
  EXPECT_EQ(cpu::choose_isa("generic"), cpu::Isa::kGeneric);
  EXPECT_TRUE(cpu::supported(cpu::choose_isa(nullptr)));
  EXPECT_EQ(cpu::choose_isa(""), cpu::choose_isa(nullptr));
  EXPECT_EQ(cpu::choose_isa(nullptr) == cpu::Isa::kAvx512Bf16, cpu::fast_bf16_products());
  auto text = [](const char* value) -> std::string {
    try {
      cpu::choose_isa(value);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(text("sse9"),
            "LAIT_CPU_CAPABILITY: expected one of {generic, avx2, avx512, avx512bf16}, got 'sse9'");
  for (const auto& [name, isa] :
       {std::pair{"avx512", cpu::Isa::kAvx512}, std::pair{"avx512bf16", cpu::Isa::kAvx512Bf16}}) {
    EXPECT_EQ(text(name), cpu::supported(isa)
                              ? ""
                              : std::string("LAIT_CPU_CAPABILITY: this CPU has no ") + name +
                                    "; unset it or choose another");
  }
}

}  // namespace
}  // namespace lait::kernels::testing
