#include "train/token_cache.h"

#include <vector>

#include "lait/base/error.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSuffix = ".tokens";

std::string without_cache(const std::string& problem) {
  return problem + "; the run goes on without the token cache";
}

std::optional<TokenFile> open_whole(const fs::path& path, const Digest& key,
                                    const TokenizeOptions& options, const TokenCache::Warn& warn) {
  try {
    return open_token_file(path, key, options);
  } catch (const UserError& error) {
    warn(std::string(error.what()) + "; the texts are tokenized again");
    return std::nullopt;
  }
}

}  // namespace

fs::path TokenCache::path_of(const std::string& split, const Digest& key) const {
  return folder_ / (split + "-" + to_string(key) + kSuffix);
}

std::optional<TokenFile> TokenCache::find(const std::string& split, const Digest& key,
                                          const TokenizeOptions& options, const Warn& warn) {
  if (folder_.empty()) return std::nullopt;
  const fs::path path = path_of(split, key);
  std::vector<fs::path> names{path};
  // Whole or refused, like every file.
  if (!writes_) names.emplace_back(path.string() + kUnfinishedSuffix);
  for (const fs::path& name : names) {
    if (auto found = open_whole(name, key, options, warn)) {
      used_.insert(path);
      return found;
    }
  }
  return std::nullopt;
}

std::optional<TokenFile> TokenCache::make(const std::string& split, const Digest& key,
                                          const TokenizeOptions& options,
                                          const std::function<bool(TokenFileWriter& file)>& fill,
                                          const Warn& warn) {
  if (!writes_) return std::nullopt;
  const fs::path path = path_of(split, key);
  std::error_code ignored;
  for (fs::path folder = folder_; !folder.empty() && !fs::exists(folder, ignored);
       folder = folder.parent_path())
    made_folders_.push_back(folder);
  const size_t before = new_files_.size();
  bool written = false;
  try {
    written = fill(new_files_.emplace_back(path, key));
  } catch (const WriteError& error) {
    warn(without_cache(error.what()));
    writes_ = false;
  }
  std::optional<TokenFile> made;
  if (written) made = open_whole(new_files_.back().unfinished_path(), key, options, warn);
  if (made) {
    used_.insert(path);
  } else if (new_files_.size() > before) {
    new_files_.pop_back();
  }
  return made;
}

void TokenCache::keep(const Warn& warn) {
  if (new_files_.empty()) return;
  try {
    for (TokenFileWriter& file : new_files_) file.commit();
  } catch (const WriteError& error) {
    warn(without_cache(error.what()));
  }
  new_files_.clear();
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    fs::path name = entry.path();
    if (name.extension() == kUnfinishedSuffix) name.replace_extension();
    if (name.extension() == kSuffix && !used_.contains(name)) fs::remove(entry.path(), ignored);
  }
}

TokenCache::~TokenCache() {
  new_files_.clear();
  std::error_code ignored;  // a folder that is not empty stays
  for (const fs::path& folder : made_folders_) fs::remove(folder, ignored);
}

}  // namespace lait
