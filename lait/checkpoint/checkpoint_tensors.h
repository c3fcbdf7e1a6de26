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

// Tensors under BertForSequenceClassification's names: the prefix "bert." is added where the
// checkpoint is a bare BertModel, and LayerNorm.gamma/beta of old checkpoints are weight/bias.
class CheckpointTensors {
 public:
  // model.safetensors, or the shards of model.safetensors.index.json. Throws UserError: neither is
  // there (a pickled pytorch_model.bin is refused, with the way to convert it), shards are missing
  // or lack what the index says, or a file is damaged.
  explicit CheckpointTensors(const std::filesystem::path& dir);
  std::vector<std::string> names() const;
  bool has(const std::string& name) const { return tensors_.contains(name); }
  at::Tensor tensor(const std::string& name) const;
  double num_elements() const;  // of all tensors
  const std::filesystem::path& dir() const { return dir_; }

 private:
  struct Place {
    size_t file;
    std::string name;  // in the file
  };

  std::filesystem::path dir_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, Place> tensors_;
};

struct ExpectedTensor {
  std::string name;
  at::Tensor destination;  // may be a view; filled with conversion of the dtype
  bool required = true;
};

// Fills all destinations. Throws UserError that lists all missing, unexpected and misshapen tensors
// at once, before anything is written. Not unexpected: what the encoder does not have to use
// (position_ids, the pooler) and the heads of pretraining (cls.*) and of other tasks (classifier.*,
// qa_outputs.*); those are read where they are expected.
void load_into(const CheckpointTensors& tensors, const std::vector<ExpectedTensor>& expected);

}  // namespace lait
