// The header of a safetensors file, read and checked: what read_safetensors_header returns can be
// used without another check. The rules are those of Hugging Face's Rust reader, and stricter where
// that costs no real file.
#pragma once
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lait/base/json.h"
#include "lait/checkpoint/safetensors.h"

namespace lait {

inline constexpr uint64_t kSafetensorsMaxHeader = kMaxJsonBytes;
inline constexpr const char* kSafetensorsMetadataKey = "__metadata__";

struct SafetensorsType {
  const char* name;
  at::ScalarType type;
};
// In the order in which Hugging Face's library writes tensors.
inline constexpr std::array<SafetensorsType, 10> kSafetensorsTypes{{{"I64", at::kLong},
                                                                    {"F64", at::kDouble},
                                                                    {"F32", at::kFloat},
                                                                    {"I32", at::kInt},
                                                                    {"BF16", at::kBFloat16},
                                                                    {"F16", at::kHalf},
                                                                    {"I16", at::kShort},
                                                                    {"I8", at::kChar},
                                                                    {"U8", at::kByte},
                                                                    {"BOOL", at::kBool}}};

// The tensors in the order of their bytes; metadata is checked and dropped. `file` is the whole
// file. Throws UserError as SafetensorsFile does.
std::vector<TensorInfo> read_safetensors_header(const std::filesystem::path& path,
                                                std::string_view file);

// "path: tensor 'name': what; the file is truncated or damaged, fetch it again"; an empty name: the
// file itself.
[[noreturn]] void throw_damaged(const std::filesystem::path& path, std::string_view name,
                                const std::string& what);

}  // namespace lait
