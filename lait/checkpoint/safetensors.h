// The safetensors format: an 8-byte header length, a JSON header {name: {dtype, shape,
// data_offsets}}, the bytes. Reading maps the file and checks every bound before anything is used;
// writing never leaves a half file.
//
//   SafetensorsFile file("model.safetensors");
//   at::Tensor words = file.tensor("bert.embeddings.word_embeddings.weight");
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lait/base/files.h"

namespace lait {

struct TensorInfo {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  size_t begin = 0, end = 0;  // bytes in the file, end exclusive
};

class SafetensorsFile {
 public:
  // Throws UserError naming the file and the tensor: truncated, header too long or not the JSON it
  // must be, unknown dtype, sizes that do not fit the shape, tensors outside the file, overlapping
  // or with holes between them, a name twice.
  explicit SafetensorsFile(const std::filesystem::path& path);
  const std::vector<TensorInfo>& tensors() const {
    return tensors_;
  }  // in the order of their bytes
  bool has(const std::string& name) const { return index_.contains(name); }
  // A view of the mapped file, kept alive by the tensor; not to be written (the map is read-only).
  // A copy where the file keeps the tensor at an address that its dtype does not allow. Throws
  // UserError where there is no such tensor.
  at::Tensor tensor(const std::string& name) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::shared_ptr<MappedFile> file_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, size_t> index_;
};

// The bytes that Hugging Face's library writes: dtypes in its order, then by name. Tensors of any
// device, contiguous or not, are streamed one at a time; a failure leaves the previous file whole.
// Throws WriteError, and std::runtime_error for tensors that the format cannot say.
void write_safetensors(const std::filesystem::path& path,
                       std::vector<std::pair<std::string, at::Tensor>> tensors);

}  // namespace lait
