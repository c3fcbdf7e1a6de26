// A WordPiece vocabulary: a byte trie in one flat hash table of edges, so that the longest entry
// that begins a word is found in one walk without building strings.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lait {

class Vocabulary {
 public:
  using Entry = std::pair<std::string, int32_t>;  // token, id
  // Of entries with the same token the last one counts, as in Hugging Face. Ids must not be
  // negative. Throws UserError when the entries hold more than 2^24 bytes.
  explicit Vocabulary(const std::vector<Entry>& entries);

  static constexpr int32_t kAbsent = -1;
  int32_t find(std::string_view token) const;  // id or kAbsent
  int32_t size() const { return size_; }       // largest id + 1

  static constexpr uint32_t kRoot = 0, kNoNode = UINT32_MAX;
  uint32_t walk(uint32_t node, std::string_view bytes) const;  // the node reached, or kNoNode

  struct Match {
    int32_t id;     // kAbsent when there is none
    size_t length;  // bytes, at least 1 in a match
  };
  // The longest entry that begins at node and ends with a non-empty beginning of text.
  Match longest_match(uint32_t node, std::string_view text) const;

 private:
  struct Edge {
    uint32_t key;  // node << 8 | byte
    uint32_t child;
  };
  size_t slot(uint32_t key) const { return (key * 0x9E3779B1u) >> shift_; }
  uint32_t child(uint32_t node, unsigned char byte) const;
  uint32_t add_child(uint32_t node, unsigned char byte);

  std::vector<Edge> edges_;   // open addressing, at most half full
  int shift_ = 0;             // 32 - log2(edges_.size())
  std::vector<int32_t> ids_;  // of each node
  int32_t size_ = 0;
};

}  // namespace lait
