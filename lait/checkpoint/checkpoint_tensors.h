// lait/checkpoint/: safetensors files, and the tensors of a Hugging Face directory.
//
// The tensors of a Hugging Face directory, in one file or in shards, and filling a model from them.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "lait/checkpoint/safetensors.h"

namespace lait {

// How a family's checkpoints name tensors.
struct TensorNames {
  // Of the encoder in a model with a head, e.g. "bert."; a checkpoint of the bare encoder lacks it.
  std::string prefix;
  // Prefixes of the bare encoder's names, e.g. "embeddings.".
  std::vector<std::string> encoder_parts;
  // Suffixes of names in old checkpoints, and the current ones.
  std::vector<std::pair<std::string, std::string>> renamed_ends;
  // Prefixes of names that a model need not use: buffers, heads of pretraining and of other tasks.
  std::vector<std::string> ignorable;
  // Tensors that a checkpoint may have under other names instead, or again.
  std::vector<std::pair<std::string, std::vector<std::string>>> also = {};
};

// Tensors under the names of a model with a head, whether the checkpoint is one or is the bare
// encoder.
class CheckpointTensors {
 public:
  // model.safetensors, or the shards of model.safetensors.index.json. Throws UserError: neither is
  // there (a pickled pytorch_model.bin is refused, with the way to convert it), shards are missing
  // or lack what the index says, or a file is damaged.
  CheckpointTensors(const std::filesystem::path& dir, TensorNames names);
  std::vector<std::string> names() const;
  bool has(const std::string& name) const { return tensors_.contains(name); }
  at::Tensor tensor(const std::string& name) const;
  double num_elements() const;  // of all tensors
  const std::filesystem::path& dir() const { return dir_; }
  bool ignorable(const std::string& name) const;

 private:
  struct Place {
    size_t file;
    std::string name;  // in the file
  };

  std::string canonical(std::string name) const;
  void merge_copies();

  std::filesystem::path dir_;
  TensorNames names_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, Place> tensors_;
};

struct ExpectedTensor {
  std::string name;
  at::Tensor destination;  // may be a view; filled with conversion of the dtype
  bool required = true;
};

// Fills all destinations. Throws UserError that lists all missing, unexpected and misshapen tensors
// and those with NaN or infinity at once, before anything is written. Tensors that TensorNames
// calls ignorable are not unexpected; they are read if they are expected.
void load_into(const CheckpointTensors& tensors, const std::vector<ExpectedTensor>& expected);

}  // namespace lait
