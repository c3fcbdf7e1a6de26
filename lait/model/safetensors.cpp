#include "lait/model/safetensors.h"

#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "lait/error.h"
#include "lait/model/json_limits.h"

namespace lait {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as the Rust library
constexpr size_t kLengthBytes = 8;

struct TypeName {
  const char* name;
  at::ScalarType type;
};
constexpr std::array<TypeName, 10> kTypes{{{"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf}, {"BF16", at::kBFloat16},
                                           {"I64", at::kLong}, {"I32", at::kInt}, {"I16", at::kShort}, {"I8", at::kChar},
                                           {"U8", at::kByte}, {"BOOL", at::kBool}}};

// Throws where a header does not say what it must.
class Header {
 public:
  Header(const std::filesystem::path& path, const MappedFile& file) : path_(path.string()) {
    if (file.size() < kLengthBytes) fail("expected at least 8 bytes, got " + std::to_string(file.size()));
    uint64_t length = 0;
    std::memcpy(&length, file.data(), kLengthBytes);
    if (length > kMaxHeaderBytes) fail("expected a header of at most 100 MB, got " + std::to_string(length) + " bytes");
    if (length > file.size() - kLengthBytes) {
      fail("expected a header of " + std::to_string(length) + " bytes, got " + std::to_string(file.size() - kLengthBytes));
    }
    data_begin_ = kLengthBytes + length;
    data_bytes_ = file.size() - data_begin_;
    json_ = parse_json({reinterpret_cast<const char*>(file.data()) + kLengthBytes, length}, path_, /*unique_keys=*/true);
    if (!json_.is_object()) fail("expected a JSON object as header");
  }

  std::vector<TensorInfo> tensors() const {
    std::vector<TensorInfo> out;
    for (const auto& [name, value] : json_.items()) {
      if (name != "__metadata__") out.push_back(tensor(name, value));
    }
    std::ranges::sort(out, [](const TensorInfo& a, const TensorInfo& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    size_t at = data_begin_;
    for (const TensorInfo& t : out) {
      if (t.begin != at) fail("tensor '" + t.name + "': expected its data at byte " + std::to_string(at) + ", got " + std::to_string(t.begin));
      at = t.end;
    }
    if (at != data_begin_ + data_bytes_) {
      fail("expected " + std::to_string(at) + " bytes, got " + std::to_string(data_begin_ + data_bytes_));
    }
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw UserError(path_ + ": " + what + "; the file is truncated or damaged, fetch it again");
  }

  TensorInfo tensor(const std::string& name, const nlohmann::json& value) const {
    const std::string where = "tensor '" + name + "': ";
    if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string() || !value.contains("shape") ||
        !value["shape"].is_array() || !value.contains("data_offsets") || !value["data_offsets"].is_array() ||
        value["data_offsets"].size() != 2) {
      fail(where + "expected dtype, shape and two data_offsets");
    }
    const auto dtype = value["dtype"].get<std::string>();
    const auto type = std::ranges::find_if(kTypes, [&](const TypeName& t) { return dtype == t.name; });
    if (type == kTypes.end()) fail(where + "unknown dtype '" + dtype.substr(0, 20) + "'");
    TensorInfo info{name, type->type, {}, 0, 0};
    uint64_t bytes = c10::elementSize(type->type);
    for (const auto& extent : value["shape"]) {
      if (!extent.is_number_unsigned()) fail(where + "expected whole numbers as shape");
      const auto n = extent.get<uint64_t>();
      if (__builtin_mul_overflow(bytes, n, &bytes) || n > static_cast<uint64_t>(INT64_MAX)) fail(where + "its shape is too large");
      info.shape.push_back(static_cast<int64_t>(n));
    }
    for (const auto& offset : value["data_offsets"]) {
      if (!offset.is_number_unsigned()) fail(where + "expected whole numbers as data_offsets");
    }
    const auto begin = value["data_offsets"][0].get<uint64_t>(), end = value["data_offsets"][1].get<uint64_t>();
    if (begin > end || end > data_bytes_) {
      fail(where + "expected data within " + std::to_string(data_bytes_) + " bytes, got [" + std::to_string(begin) + ", " + std::to_string(end) + ")");
    }
    if (end - begin != bytes) fail(where + "expected " + std::to_string(bytes) + " bytes for its shape, got " + std::to_string(end - begin));
    info.begin = data_begin_ + begin;
    info.end = data_begin_ + end;
    return info;
  }

  std::string path_;
  nlohmann::json json_;
  size_t data_begin_ = 0, data_bytes_ = 0;
};

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), file_(std::make_shared<MappedFile>(path)), tensors_(Header(path, *file_).tensors()) {
  for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) throw UserError(path_.string() + ": there is no tensor '" + name + "'");
  const TensorInfo& info = tensors_[found->second];
  auto* data = const_cast<std::byte*>(file_->data() + info.begin);
  // The header's length need not keep the data aligned; a copy does then.
  const bool aligned = reinterpret_cast<uintptr_t>(data) % c10::elementSize(info.dtype) == 0;
  if (info.begin == info.end) return at::empty(info.shape, info.dtype);
  if (!aligned) {
    at::Tensor copy = at::empty(info.shape, info.dtype);
    std::memcpy(copy.mutable_data_ptr(), data, info.end - info.begin);
    return copy;
  }
  return at::from_blob(data, info.shape, [file = file_](void*) {}, info.dtype);
}

void write_safetensors(const std::filesystem::path& path, std::vector<std::pair<std::string, at::Tensor>> tensors) {
  std::ranges::sort(tensors, [](const auto& a, const auto& b) {
    const auto width = [](const auto& t) { return c10::elementSize(t.second.scalar_type()); };
    return width(a) != width(b) ? width(a) > width(b) : a.first < b.first;
  });
  nlohmann::ordered_json header{{"__metadata__", {{"format", "pt"}}}};
  size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto type = std::ranges::find_if(kTypes, [&](const TypeName& t) { return t.type == tensor.scalar_type(); });
    if (type == kTypes.end()) throw std::runtime_error(path.string() + ": tensor '" + name + "' has a dtype that safetensors lacks");
    const size_t bytes = tensor.nbytes();
    header[name] = {{"dtype", type->name}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');

  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  const std::string temporary = path.string() + ".writing";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  auto fail = [&] {
    const std::string why = std::strerror(errno);
    if (fd >= 0) {
      ::close(fd);
      ::unlink(temporary.c_str());
    }
    throw std::runtime_error(path.string() + ": cannot write: " + why);
  };
  if (fd < 0) fail();
  auto write_all = [&](const void* data, size_t size) {
    for (size_t done = 0; done < size;) {
      const ssize_t n = ::write(fd, static_cast<const char*>(data) + done, size - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail();
      done += static_cast<size_t>(n);
    }
  };
  const uint64_t length = text.size();
  write_all(&length, kLengthBytes);
  write_all(text.data(), text.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
    write_all(host.const_data_ptr(), host.nbytes());
  }
  if (::fsync(fd) != 0) fail();
  if (::close(fd) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
    throw std::runtime_error(path.string() + ": cannot write: " + std::strerror(errno));
  }
}

}  // namespace lait
