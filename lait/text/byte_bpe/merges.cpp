// Byte-pair encoding of a word with a heap of possible merges.
#include "lait/text/byte_bpe/merges.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace lait {
namespace {

// A token of the word while it is merged; tokens are named by the byte where they begin.
struct MergeSymbol {
  int32_t id;
  // Where the neighbours begin; next of the last one is the word's size.
  uint32_t previous, next;
  // Of the merge with the next symbol.
  uint32_t rank;
};

// Merges in the order in which they are applied: rank, then place.
uint64_t merge_key(uint32_t rank, uint32_t begin) {
  return static_cast<uint64_t>(rank) << 32 | begin;
}

// Buffers of a thread. Those that a long word has grown are given back.
struct MergeScratch {
  std::vector<MergeSymbol> symbols;
  std::vector<uint64_t> heap;
  std::vector<Merges::Part> parts;

  void begin_word() {
    constexpr size_t kKeptSymbols = size_t{1} << 16;
    if (symbols.capacity() > kKeptSymbols) *this = {};
    symbols.clear();
    heap.clear();
    parts.clear();
  }
};

}  // namespace

Merges::Merges(const std::vector<Merge>& merges) {
  const size_t capacity = std::bit_ceil(std::max<size_t>(2 * merges.size(), 16));
  shift_ = 64 - std::countr_zero(capacity);
  slots_.assign(capacity, {0, kNoRank, -1});
  joined_.reserve(merges.size());
  for (const Merge& merge : merges) {
    const uint64_t pair = pair_of(merge.left, merge.right);
    size_t i = slot(pair);
    while (slots_[i].rank != kNoRank && slots_[i].pair != pair) i = (i + 1) & (capacity - 1);
    slots_[i] = {pair, static_cast<uint32_t>(joined_.size()), merge.joined};
    joined_.push_back(merge.joined);
  }
}

uint32_t Merges::rank(int32_t left, int32_t right) const {
  const uint64_t pair = pair_of(left, right);
  for (size_t i = slot(pair);; i = (i + 1) & (slots_.size() - 1)) {
    if (slots_[i].rank == kNoRank || slots_[i].pair == pair) return slots_[i].rank;
  }
}

const std::vector<Merges::Part>& Merges::apply(std::string_view word,
                                               const int32_t* byte_ids) const {
  thread_local MergeScratch scratch;
  scratch.begin_word();
  std::vector<MergeSymbol>& symbols = scratch.symbols;
  std::vector<uint64_t>& heap = scratch.heap;
  const auto size = static_cast<uint32_t>(word.size());
  const auto id_at = [&](uint32_t i) { return byte_ids[static_cast<unsigned char>(word[i])]; };
  for (uint32_t i = 0; i < size; ++i) {
    const uint32_t with_next = i + 1 < size ? rank(id_at(i), id_at(i + 1)) : kNoRank;
    symbols.push_back({id_at(i), i - 1, i + 1, with_next});
    if (with_next != kNoRank) heap.push_back(merge_key(with_next, i));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());

  const auto update = [&](uint32_t begin) {
    MergeSymbol& symbol = symbols[begin];
    symbol.rank = symbol.next < size ? rank(symbol.id, symbols[symbol.next].id) : kNoRank;
    if (symbol.rank == kNoRank) return;
    heap.push_back(merge_key(symbol.rank, begin));
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const auto best = static_cast<uint32_t>(heap.back() >> 32);
    const auto begin = static_cast<uint32_t>(heap.back());
    heap.pop_back();
    MergeSymbol& left = symbols[begin];
    if (left.rank != best) continue;  // merged otherwise since
    MergeSymbol& right = symbols[left.next];
    left.id = joined_[best];
    left.next = right.next;
    right.rank = kNoRank;
    if (left.next < size) symbols[left.next].previous = begin;
    update(begin);
    if (begin > 0) update(left.previous);
  }
  for (uint32_t i = 0; i < size; i = symbols[i].next)
    scratch.parts.push_back({symbols[i].id, i, symbols[i].next});
  return scratch.parts;
}

}  // namespace lait
