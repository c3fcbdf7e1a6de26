// best/ of a run: written whole, and known by its files' sums, so that a resumed run sees whether
// it is still the one that its checkpoint knows.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/model/model.h"
#include "lait/text/tokenizer.h"
#include "train/checkpoint_files.h"
#include "train/run_directory.h"

namespace lait {

class BestModel {
 public:
  BestModel(Model model, std::shared_ptr<const Tokenizer> tokenizer, Switch hf_code,
            RunDirectory& run);
  // The model as it is now. Throws WriteError.
  void save();
  // Takes `files` for those of best/. Returns what is wrong with the folder; "": it has them.
  std::string adopt(const std::vector<FileSum>& files);
  void forget() { files_.clear(); }
  const std::vector<FileSum>& files() const { return files_; }

 private:
  Model model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  Switch hf_code_;
  RunDirectory& run_;
  std::vector<FileSum> files_;
};

}  // namespace lait
