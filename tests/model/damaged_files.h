// For tests of damaged files: safetensors bytes with any header, and the message of the error that
// a call throws.
#pragma once
#include <cstdint>
#include <string>

#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"

namespace lait {

// The bytes of a safetensors file with this header, unchecked.
inline std::string safetensors_bytes(const std::string& header, const std::string& data = "") {
  std::string bytes(sizeof(uint64_t), '\0');
  const uint64_t length = header.size();
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(length >> (8 * i));
  return bytes + header + data;
}

}  // namespace lait
