// A hash of bytes by which contents are compared: 128 bits, so that two different contents do not
// share one by chance. It does not stand against someone who makes them do so.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lait {

struct Digest {
  uint64_t low = 0, high = 0;
  bool operator==(const Digest&) const = default;
};
// 32 hexadecimal digits.
std::string to_string(const Digest& digest);

class ContentHash {
 public:
  // How the bytes are divided among calls does not matter.
  void add(const void* data, size_t bytes);
  // A text with its length, so that texts in a row do not run together.
  void add_text(std::string_view text);
  // Of a number.
  void add_number(int64_t number) { add(&number, sizeof(number)); }
  // Of everything added so far.
  Digest digest() const;

 private:
  static constexpr size_t kBlock = 16;
  void add_block(const std::byte* block);

  uint64_t low_ = 0, high_ = 0, bytes_ = 0;
  std::array<std::byte, kBlock> held_{};  // the first bytes_ % kBlock are in use
};

// Of a text alone.
inline Digest hash_of_text(std::string_view text) {
  ContentHash hash;
  hash.add_text(text);
  return hash.digest();
}

}  // namespace lait
