#include "lait/checkpoint/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "lait/base/error.h"

namespace lait {
namespace {

using nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr size_t kMaxDimensions = 64;  // as LibTorch's iterators
// Those of the format that no model here has: quantised weights above all.
constexpr const char* kOtherTypes[] = {"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ",
                                       "F8_E8M0", "F6_E2M3", "F6_E3M2",     "F4",
                                       "U16",     "U32",     "U64",         "C64"};

std::string bytes(uint64_t count) {
  return std::to_string(count) + (count == 1 ? " byte" : " bytes");
}

// "'text'", "an array", "4.0".
std::string describe(const json& value) {
  if (value.is_string()) return quote(value.get_ref<const std::string&>());
  return value.is_structured() ? std::string("an ") + value.type_name() : value.dump();
}

// Reads the entries of the header's JSON. `name` is the tensor's.
class EntryReader {
 public:
  EntryReader(const std::filesystem::path& path, const std::string& name, const json& entry)
      : path_(path), name_(name), entry_(entry) {
    if (!entry.is_object()) fail("expected an object for each name, got " + describe(entry));
  }

  void check_metadata() const {
    for (const json& value : entry_) {
      if (!value.is_string()) fail("expected text, got " + describe(value));
    }
  }

  // data_bytes: how many the file has from data_begin on.
  TensorInfo tensor(size_t data_begin, size_t data_bytes) const {
    for (const auto& [key, value] : entry_.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets")
        fail("expected dtype, shape and data_offsets, got " + quote(key));
    }
    if (entry_.size() != 3) fail("expected dtype, shape and data_offsets, got fewer");
    const std::vector<uint64_t> shape = numbers("shape"), offsets = numbers("data_offsets");
    TensorInfo info{name_, dtype(), {}, 0, 0};
    if (shape.size() > kMaxDimensions)
      fail("expected at most " + std::to_string(kMaxDimensions) + " dimensions, got " +
           std::to_string(shape.size()));
    uint64_t size = c10::elementSize(info.dtype);
    // A dimension of 0 counts as 1 where LibTorch computes strides, so those must fit as well.
    int64_t strides = 1;
    for (const uint64_t extent : shape) {
      if (__builtin_mul_overflow(size, extent, &size) ||
          __builtin_mul_overflow(strides, std::max<uint64_t>(extent, 1), &strides)) {
        fail("expected a shape of less than 2^63 elements, got more");
      }
      info.shape.push_back(static_cast<int64_t>(extent));
    }
    if (offsets.size() != 2)
      fail("expected two data_offsets, got " + std::to_string(offsets.size()));
    const uint64_t begin = offsets[0], end = offsets[1];
    if (begin > end || end > data_bytes) {
      fail("expected data within the file's " + bytes(data_bytes) + ", got data_offsets [" +
           std::to_string(begin) + ", " + std::to_string(end) + ")");
    }
    if (end - begin != size)
      fail("expected " + bytes(size) + " for its shape, got " + bytes(end - begin));
    info.begin = data_begin + begin;
    info.end = data_begin + end;
    return info;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw_damaged(path_, name_, what); }

  at::ScalarType dtype() const {
    const json& value = entry_["dtype"];
    if (!value.is_string()) fail("expected text as dtype, got " + describe(value));
    const auto type = std::ranges::find(kSafetensorsTypes, value.get_ref<const std::string&>(),
                                        &SafetensorsType::name);
    if (type != kSafetensorsTypes.end()) return type->type;
    if (std::find(std::begin(kOtherTypes), std::end(kOtherTypes), value) != std::end(kOtherTypes)) {
      throw UserError(path_.string() + ": tensor " + quote(name_) +
                      ": expected a dtype of F32, BF16, F16 or F64, got " +
                      value.get<std::string>() +
                      "; use a checkpoint whose weights are not quantised");
    }
    std::string known;
    for (const SafetensorsType& t : kSafetensorsTypes)
      known.append(known.empty() ? "" : ", ").append(t.name);
    fail("expected a dtype of {" + known + "}, got " + describe(value));
  }

  std::vector<uint64_t> numbers(const std::string& key) const {
    const json& list = entry_[key];
    if (!list.is_array()) fail("expected an array as " + key + ", got " + describe(list));
    for (const json& value : list) {
      if (!value.is_number_unsigned())
        fail("expected whole numbers as " + key + ", got " + describe(value));
    }
    return list.get<std::vector<uint64_t>>();
  }

  const std::filesystem::path& path_;
  const std::string& name_;
  const json& entry_;
};

}  // namespace

void throw_damaged(const std::filesystem::path& path, std::string_view name,
                   const std::string& what) {
  throw UserError(path.string() + ": " + (name.empty() ? "" : "tensor " + quote(name) + ": ") +
                  what + "; the file is truncated or damaged, fetch it again");
}

std::vector<TensorInfo> read_safetensors_header(const std::filesystem::path& path,
                                                std::string_view file) {
  auto fail = [&](const std::string& what) { throw_damaged(path, "", what); };
  check_no_lfs_pointer(path.string(), file);
  if (file.size() < kLengthBytes)
    fail("expected at least " + bytes(kLengthBytes) + ", got " + bytes(file.size()));
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kSafetensorsMaxHeader)
    fail("expected a header of at most " + bytes(kSafetensorsMaxHeader) + ", got " + bytes(length));
  if (length > file.size() - kLengthBytes) {
    fail("expected a header of " + bytes(length) + ", got " + bytes(file.size() - kLengthBytes));
  }
  const std::string_view text = file.substr(kLengthBytes, length);
  // The parser would skip a byte order mark.
  if (!text.starts_with('{')) fail("expected a JSON object as header, got something else");
  json header;
  try {
    header = parse_json_text(text);
  } catch (const BadJson& error) {
    fail("header: " + std::string(error.what()));
  }

  const size_t data_begin = kLengthBytes + length;
  std::vector<TensorInfo> tensors;
  for (const auto& [name, entry] : header.items()) {
    const EntryReader reader(path, name, entry);
    if (name == kSafetensorsMetadataKey) {
      reader.check_metadata();
    } else {
      tensors.push_back(reader.tensor(data_begin, file.size() - data_begin));
    }
  }
  std::ranges::sort(tensors, {}, [](const TensorInfo& t) { return std::tie(t.begin, t.end); });
  size_t at = data_begin;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.begin != at) {
      throw_damaged(path, tensor.name,
                    "expected its data at offset " + std::to_string(at - data_begin) +
                        ", where the one before ends, got " +
                        std::to_string(tensor.begin - data_begin));
    }
    at = tensor.end;
  }
  if (at != file.size()) fail("expected a file of " + bytes(at) + ", got " + bytes(file.size()));
  return tensors;
}

}  // namespace lait
