#include "train/best_model.h"

#include "lait/model/checkpoint.h"

namespace lait {

BestModel::BestModel(Model model, std::shared_ptr<const Tokenizer> tokenizer, Switch hf_code,
                     RunDirectory& run)
    : model_(std::move(model)), tokenizer_(std::move(tokenizer)), hf_code_(hf_code), run_(run) {}

void BestModel::save() {
  run_.save_best([&](const std::filesystem::path& dir) {
    save_checkpoint(model_, dir, {.hf_code = hf_code_ == Switch::kOn});
    tokenizer_->save(dir);
    files_ = sum_files(dir);
  });
}

std::string BestModel::adopt(const std::vector<FileSum>& files) {
  files_ = files;
  return std::filesystem::exists(run_.best()) ? find_damage(run_.best(), files)
                                              : run_.best().string() + " is missing";
}

}  // namespace lait
