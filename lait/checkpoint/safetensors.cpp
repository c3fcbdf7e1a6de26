#include "lait/checkpoint/safetensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "lait/base/error.h"
#include "lait/base/file_writer.h"
#include "lait/checkpoint/safetensors_header.h"

namespace lait {
namespace {

constexpr size_t kHeaderAlignment = 8;

size_t rank(const at::Tensor& tensor) {
  const auto type =
      std::ranges::find(kSafetensorsTypes, tensor.scalar_type(), &SafetensorsType::type);
  return static_cast<size_t>(type - kSafetensorsTypes.begin());
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), file_(std::make_shared<MappedFile>(path)) {
  tensors_ =
      read_safetensors_header(path, {reinterpret_cast<const char*>(file_->data()), file_->size()});
  for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) {
    throw UserError(path_.string() + ": expected a tensor " + quote(name) +
                    ", got none of that name");
  }
  const TensorInfo& info = tensors_[found->second];
  const size_t bytes = info.end - info.begin;
  if (bytes == 0) return at::empty(info.shape, info.dtype);
  const std::byte* data = file_->data() + info.begin;
  // A C++ bool that is neither 0 nor 1 is undefined behaviour in every kernel that reads it.
  if (info.dtype == at::kBool &&
      std::any_of(data, data + bytes, [](std::byte b) { return b > std::byte{1}; })) {
    throw_damaged(path_, info.name, "expected bytes 0 and 1 for BOOL, got others");
  }
  if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(info.dtype) != 0) {
    at::Tensor copy = at::empty(info.shape, info.dtype);
    std::memcpy(copy.mutable_data_ptr(), data, bytes);
    return copy;
  }
  return at::from_blob(
      const_cast<std::byte*>(data), info.shape, [file = file_](void*) {}, info.dtype);
}

void write_safetensors(const std::filesystem::path& path,
                       std::vector<std::pair<std::string, at::Tensor>> tensors) {
  std::set<std::string> names{kSafetensorsMetadataKey};
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined() || rank(tensor) == kSafetensorsTypes.size()) {
      throw std::runtime_error(path.string() + ": tensor " + quote(name) +
                               " is undefined or has a dtype that safetensors does not support");
    }
    if (!names.insert(name).second)
      throw std::runtime_error(path.string() + ": the tensor name " + quote(name) + " is repeated");
  }
  std::ranges::sort(tensors, [](const auto& a, const auto& b) {
    return std::pair(rank(a.second), std::string_view(a.first)) <
           std::pair(rank(b.second), std::string_view(b.first));
  });

  // transformers refuses a file that does not say that it is PyTorch's.
  std::string header = "{" + nlohmann::json(kSafetensorsMetadataKey).dump() + R"(:{"format":"pt"})";
  size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const nlohmann::ordered_json info{{"dtype", kSafetensorsTypes[rank(tensor)].name},
                                      {"shape", tensor.sizes().vec()},
                                      {"data_offsets", {offset, offset + tensor.nbytes()}}};
    header.append(",").append(nlohmann::json(name).dump()).append(":").append(info.dump());
    offset += tensor.nbytes();
  }
  header += "}";
  header.resize((header.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  if (header.size() > kSafetensorsMaxHeader)
    throw std::runtime_error(path.string() + ": the header is longer than readers allow");

  FileWriter file(path);
  const uint64_t length = header.size();
  file.write({reinterpret_cast<const char*>(&length), sizeof(length)});
  file.write(header);
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
    file.write({static_cast<const char*>(host.const_data_ptr()), host.nbytes()});
  }
  file.commit();
}

}  // namespace lait
