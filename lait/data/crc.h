// CRC-32 of several values in order, each preceded by its length.
#pragma once
#include <zlib.h>

#include <cstdint>

namespace lait {

class Crc {
 public:
  void add(const void* data, uint64_t bytes) {
    update(&bytes, sizeof(bytes));
    // With a null pointer, which an empty vector may have, zlib starts over.
    if (bytes > 0) update(data, bytes);
  }
  // The bytes of contiguous values.
  template <class Values>
  void add(const Values& values) {
    add(values.data(), values.size() * sizeof(values[0]));
  }
  uint32_t value() const { return static_cast<uint32_t>(crc_); }

 private:
  void update(const void* data, uint64_t bytes) {
    crc_ = crc32_z(crc_, static_cast<const Bytef*>(data), bytes);
  }
  uLong crc_ = crc32_z(0, nullptr, 0);
};

}  // namespace lait
