// Random numbers: one counter-based generator, Philox 4x32-10 (Salmon et al., SC 2011), for every
// kind of dropout.
//
// A decision depends on what is dropped, not on its place in a packed tensor nor on who computes
// it. So forward, backward, recomputation, CPU and CUDA, any packing and any number of ranks draw
// the same mask, and no mask is stored.
//
//   key      = { low 32 bits of seed, high 32 bits of seed }
//   counter  = { step,  unit id,  (row position << 16) | (column position / 4),
//                (layer << 24) | (head << 16) | (site << 8) }
//   element  = word (column position % 4) of the four words
//   kept     = word >= threshold,  threshold = p * 2^32 rounded to nearest;
//              kept values are scaled by 1 / (1 - p)
//
// Attention: row position is the query's, column position the key's, in their unit; hidden dropout:
// row position is the token's in its unit, column position the channel. Row positions are below
// 2^16, column positions below 2^18.
#pragma once
#include <cstdint>

#ifdef __CUDACC__
#define LAIT_HOST_DEVICE __host__ __device__ inline
#else
// Always inlined: some translation units are compiled for other instruction sets and share no code.
#define LAIT_HOST_DEVICE [[gnu::always_inline]] inline
#endif

namespace lait::kernels {

// Where in a layer a dropout is; 8 bits of the counter.
enum class Site : uint8_t {
  kEmbedding = 0,
  kAttention = 1,
  kAttentionOutput = 2,
  kFfnOutput = 3,
  kPooled = 4,
  kBeforeDense = 5,
  // And the following: one for each product of a layer that has adapters.
  kLora = 6,
  // Far behind those.
  kFfnInner = 128,
  kFinal = 129,
  kCrossAttention = 130,
  kCrossAttentionOutput = 131
};

// The dropout key: everything but the element. p = 0 means no dropout; p is below 1.
struct Dropout {
  float p = 0;
  uint64_t seed = 0;
  uint32_t step = 0;
  uint8_t layer = 0;
  Site site = Site::kAttention;
};

struct PhiloxWords {
  uint32_t word[4];
};

LAIT_HOST_DEVICE PhiloxWords philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0,
                                    uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// The four words of columns 4 * column_block … + 3.
LAIT_HOST_DEVICE PhiloxWords dropout_words(const Dropout& d, uint32_t unit_id, uint32_t row,
                                           uint32_t column_block, uint32_t head) {
  return philox(d.step, unit_id, (row << 16) | column_block,
                (uint32_t{d.layer} << 24) | (head << 16) | (static_cast<uint32_t>(d.site) << 8),
                static_cast<uint32_t>(d.seed), static_cast<uint32_t>(d.seed >> 32));
}

LAIT_HOST_DEVICE uint32_t dropout_threshold(float p) {
  return static_cast<uint32_t>(static_cast<double>(p) * 4294967296.0 + 0.5);
}

}  // namespace lait::kernels
