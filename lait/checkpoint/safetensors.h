// The safetensors format: an 8-byte header length, a JSON header {name: {dtype, shape,
// data_offsets}}, the data. Reading maps the file and checks every bound first; writing never
// leaves a partial file.
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
  // Throws UserError naming the file and the tensor: truncated file, header too long or invalid,
  // unknown dtype, sizes that do not match the shape, tensors outside the file, overlapping tensors
  // or gaps between them, repeated names.
  explicit SafetensorsFile(const std::filesystem::path& path);
  // In the order of their bytes.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  bool has(const std::string& name) const { return index_.contains(name); }
  // A read-only view of the mapped file, which the tensor keeps alive. A copy if the tensor's
  // address in the file is not aligned for its dtype. Throws UserError if there is no such tensor.
  at::Tensor tensor(const std::string& name) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::shared_ptr<MappedFile> file_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, size_t> index_;
};

// Writes the same bytes as Hugging Face's library: sorted by dtype in its order, then by name.
// Tensors may be on any device, contiguous or not, and are written one at a time. On failure the
// previous file is kept. Throws WriteError, and std::runtime_error for tensors that the format does
// not support.
void write_safetensors(const std::filesystem::path& path,
                       std::vector<std::pair<std::string, at::Tensor>> tensors);

}  // namespace lait
