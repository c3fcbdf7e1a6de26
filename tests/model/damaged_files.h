// For tests of damaged files: safetensors bytes with any header, and the message of the error that
// a call throws.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "lait/base/error.h"
#include "tests/base/temporary_folder.h"

namespace lait {

// The bytes of a safetensors file with this header, unchecked.
inline std::string safetensors_bytes(const std::string& header, const std::string& data = "") {
  std::string bytes(sizeof(uint64_t), '\0');
  const uint64_t length = header.size();
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(length >> (8 * i));
  return bytes + header + data;
}

// The text of the UserError that `call` throws; the test fails if it throws none.
template <class Call>
std::string user_error(Call&& call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected a UserError, got none";
  return "";
}

}  // namespace lait
