// MurmurHash3 (x64, 128 bits; Austin Appleby, public domain), with its last block padded with
// zeros.
#include "lait/base/content_hash.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace lait {
namespace {

constexpr uint64_t kMix1 = 0x87c37b91114253d5u, kMix2 = 0x4cf5ad432745937fu;

uint64_t final_mix(uint64_t h) {
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
  return h ^ (h >> 33);
}

}  // namespace

std::string to_string(const Digest& digest) {
  std::string text;
  for (const uint64_t half : {digest.high, digest.low}) {
    for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(half >> shift) & 15];
  }
  return text;
}

void ContentHash::add_block(const std::byte* block) {
  uint64_t k1 = 0, k2 = 0;
  std::memcpy(&k1, block, sizeof(k1));
  std::memcpy(&k2, block + sizeof(k1), sizeof(k2));
  low_ ^= std::rotl(k1 * kMix1, 31) * kMix2;
  low_ = (std::rotl(low_, 27) + high_) * 5 + 0x52dce729;
  high_ ^= std::rotl(k2 * kMix2, 33) * kMix1;
  high_ = (std::rotl(high_, 31) + low_) * 5 + 0x38495ab5;
}

void ContentHash::add(const void* data, size_t bytes) {
  if (bytes == 0) return;
  const auto* from = static_cast<const std::byte*>(data);
  const size_t held = bytes_ % kBlock;
  bytes_ += bytes;
  if (held > 0) {
    const size_t taken = std::min(kBlock - held, bytes);
    std::memcpy(held_.data() + held, from, taken);
    if (held + taken < kBlock) return;
    add_block(held_.data());
    from += taken;
    bytes -= taken;
  }
  for (; bytes >= kBlock; from += kBlock, bytes -= kBlock) add_block(from);
  std::memcpy(held_.data(), from, bytes);
}

void ContentHash::add_text(std::string_view text) {
  add_number(static_cast<int64_t>(text.size()));
  add(text.data(), text.size());
}

Digest ContentHash::digest() const {
  ContentHash last = *this;
  if (const size_t held = bytes_ % kBlock; held > 0) {
    std::fill(last.held_.begin() + static_cast<ptrdiff_t>(held), last.held_.end(), std::byte{0});
    last.add_block(last.held_.data());
  }
  uint64_t low = last.low_ ^ bytes_, high = last.high_ ^ bytes_;
  low += high;
  high += low;
  low = final_mix(low);
  high = final_mix(high);
  low += high;
  return {low, high + low};
}

}  // namespace lait
