#include "lait/checkpoint/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <sstream>
#include <tuple>

#include "lait/base/error.h"

namespace lait {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr size_t kMaxDimensions = 64;  // as LibTorch's iterators

std::string bytes(uint64_t count) {
  return std::to_string(count) + (count == 1 ? " byte" : " bytes");
}

std::string range(const std::vector<uint64_t>& offsets) {
  std::ostringstream text;
  text << '[' << offsets[0] << ", " << offsets[1] << ')';
  return text.str();
}

// Receives the header's JSON piece by piece and takes nothing that the format does not have: no
// value stands deeper than the numbers of a shape, so that nothing in the file can make the reader
// deep or large.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(const std::filesystem::path& path, size_t data_begin, size_t data_bytes)
      : path_(path), data_begin_(data_begin), data_bytes_(data_bytes) {}

  std::vector<TensorInfo> tensors;

  bool null() override { return refuse("null"); }
  bool boolean(bool value) override { return refuse(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return refuse(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override {
    return refuse(text.substr(0, 40));
  }
  bool binary(binary_t&) override { return refuse("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (at_ != kShape && at_ != kOffsets) return refuse(std::to_string(value));
    std::vector<uint64_t>& numbers = at_ == kShape ? *shape_ : *offsets_;
    if (numbers.size() == (at_ == kShape ? kMaxDimensions : 2)) {
      fail(at_ == kShape
               ? "expected at most " + std::to_string(kMaxDimensions) + " dimensions, got more"
               : "expected two data_offsets, got more");
    }
    numbers.push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (at_ == kMetadata) {
      if (!metadata_.insert(key_).second)
        fail("expected each key once, got " + quote(key_) + " twice");
      return true;
    }
    if (at_ != kTensor || key_ != "dtype") return refuse(quote(value));
    const auto type = std::ranges::find(kSafetensorsTypes, value, &SafetensorsType::name);
    if (type == kSafetensorsTypes.end()) {
      std::string known;
      for (const SafetensorsType& t : kSafetensorsTypes)
        known.append(known.empty() ? "" : ", ").append(t.name);
      fail("expected a dtype of {" + known + "}, got " + quote(value));
    }
    dtype_ = type->type;
    return true;
  }

  bool start_object(size_t) override {
    if (at_ == kStart) return go(kNames);
    if (at_ != kNames) return refuse("an object");
    dtype_.reset(), shape_.reset(), offsets_.reset();
    return go(name_ == kSafetensorsMetadataKey ? kMetadata : kTensor);
  }

  bool key(string_t& value) override {
    if (at_ == kNames) {
      name_ = value;
      if (!names_.insert(name_).second) fail("expected each name once, got it twice");
      return true;
    }
    key_ = value;
    if (at_ == kMetadata) return true;
    if (key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") {
      fail("expected dtype, shape and data_offsets, got " + quote(key_));
    }
    if ((key_ == "dtype" && dtype_) || (key_ == "shape" && shape_) ||
        (key_ == "data_offsets" && offsets_)) {
      fail("expected " + key_ + " once, got it twice");
    }
    return true;
  }

  bool end_object() override {
    if (at_ == kTensor) add_tensor();
    return go(at_ == kNames ? kStart : kNames);
  }

  bool start_array(size_t) override {
    if (at_ != kTensor || key_ == "dtype") return refuse("an array");
    (key_ == "shape" ? shape_ : offsets_).emplace();
    return go(key_ == "shape" ? kShape : kOffsets);
  }
  bool end_array() override { return go(kTensor); }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    throw_damaged(
        path_, "",
        "expected JSON as header, got something else at its byte " + std::to_string(position));
  }

 private:
  enum Place { kStart, kNames, kMetadata, kTensor, kShape, kOffsets };

  bool go(Place place) {
    at_ = place;
    return true;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw_damaged(path_, at_ == kStart ? "" : name_, what);
  }
  [[noreturn]] bool refuse(const std::string& got) const {
    static constexpr const char* kExpected[] = {
        "a JSON object as header", "an object for each name",      "text", "",
        "whole numbers as shape",  "whole numbers as data_offsets"};
    std::string expected = kExpected[at_];
    if (at_ == kTensor) expected = (key_ == "dtype" ? "text as " : "an array as ") + key_;
    fail("expected " + expected + ", got " + got);
  }

  void add_tensor() {
    if (!dtype_ || !shape_ || !offsets_ || offsets_->size() != 2)
      fail("expected dtype, shape and two data_offsets, got fewer");
    uint64_t size = c10::elementSize(*dtype_);
    // A dimension of 0 counts as 1 where LibTorch computes strides, so those must fit as well.
    int64_t strides = 1;
    TensorInfo info{name_, *dtype_, {}, 0, 0};
    for (const uint64_t extent : *shape_) {
      if (__builtin_mul_overflow(size, extent, &size) ||
          __builtin_mul_overflow(strides, std::max<uint64_t>(extent, 1), &strides)) {
        fail("expected a shape of less than 2^63 elements, got more");
      }
      info.shape.push_back(static_cast<int64_t>(extent));
    }
    const uint64_t begin = (*offsets_)[0], end = (*offsets_)[1];
    if (begin > end || end > data_bytes_) {
      fail("expected data within the file's " + bytes(data_bytes_) + ", got data_offsets " +
           range(*offsets_));
    }
    if (end - begin != size)
      fail("expected " + bytes(size) + " for its shape, got " + bytes(end - begin));
    info.begin = data_begin_ + begin;
    info.end = data_begin_ + end;
    tensors.push_back(std::move(info));
  }

  const std::filesystem::path& path_;
  const size_t data_begin_, data_bytes_;
  Place at_ = kStart;
  std::set<std::string> names_, metadata_;  // keys seen
  std::string name_, key_;                  // of the outer object, of the inner one
  std::optional<at::ScalarType> dtype_;
  std::optional<std::vector<uint64_t>> shape_, offsets_;
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
  // The parser skips a byte order mark and takes a NUL for the end of the text.
  if (!text.starts_with('{')) fail("expected a JSON object as header, got something else");
  if (text.find('\0') != text.npos) fail("expected JSON as header, got a NUL byte in it");

  const size_t data_begin = kLengthBytes + length;
  HeaderReader reader(path, data_begin, file.size() - data_begin);
  nlohmann::json::sax_parse(text, &reader);
  std::vector<TensorInfo> tensors = std::move(reader.tensors);
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
