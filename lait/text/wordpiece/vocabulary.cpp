// The trie of a WordPiece vocabulary.
#include "lait/text/wordpiece/vocabulary.h"

#include <algorithm>
#include <bit>

#include "lait/base/error.h"

namespace lait {
namespace {
constexpr size_t kMaxNodes = size_t{1} << 24;  // a node and a byte share 32 bits
constexpr uint32_t kNoKey = UINT32_MAX;        // the last node has no child 255, so this is no edge
}  // namespace

Vocabulary::Vocabulary(const std::vector<Entry>& entries) {
  size_t num_bytes = 0;
  for (const Entry& entry : entries) num_bytes += entry.first.size();
  if (num_bytes >= kMaxNodes - 1) {
    throw UserError("vocabulary: expected at most " + std::to_string(kMaxNodes) +
                    " bytes of tokens, got " + std::to_string(num_bytes));
  }
  const size_t capacity = std::bit_ceil(std::max<size_t>(2 * num_bytes, 16));
  shift_ = 32 - std::countr_zero(capacity);
  edges_.assign(capacity, {kNoKey, kNoNode});
  ids_.assign(1, kAbsent);
  for (const auto& [token, id] : entries) {
    uint32_t node = kRoot;
    for (const char byte : token) node = add_child(node, static_cast<unsigned char>(byte));
    ids_[node] = id;
    size_ = std::max(size_, id + 1);
  }
}

uint32_t Vocabulary::child(uint32_t node, unsigned char byte) const {
  const uint32_t key = node << 8 | byte;
  for (size_t i = slot(key);; i = (i + 1) & (edges_.size() - 1)) {
    if (edges_[i].key == key) return edges_[i].child;
    if (edges_[i].key == kNoKey) return kNoNode;
  }
}

uint32_t Vocabulary::add_child(uint32_t node, unsigned char byte) {
  const uint32_t key = node << 8 | byte;
  size_t i = slot(key);
  while (edges_[i].key != kNoKey) {
    if (edges_[i].key == key) return edges_[i].child;
    i = (i + 1) & (edges_.size() - 1);
  }
  edges_[i] = {key, static_cast<uint32_t>(ids_.size())};
  ids_.push_back(kAbsent);
  return edges_[i].child;
}

uint32_t Vocabulary::walk(uint32_t node, std::string_view bytes) const {
  for (const char byte : bytes) {
    node = child(node, static_cast<unsigned char>(byte));
    if (node == kNoNode) break;
  }
  return node;
}

int32_t Vocabulary::find(std::string_view token) const {
  const uint32_t node = walk(kRoot, token);
  return node == kNoNode ? kAbsent : ids_[node];
}

Vocabulary::Match Vocabulary::longest_match(uint32_t node, std::string_view text) const {
  Match match{kAbsent, 0};
  for (size_t i = 0; i < text.size(); ++i) {
    node = child(node, static_cast<unsigned char>(text[i]));
    if (node == kNoNode) break;
    if (ids_[node] != kAbsent) match = {ids_[node], i + 1};
  }
  return match;
}

}  // namespace lait
