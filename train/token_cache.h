// The token cache of a run: its tokenized data sets as files in RUN/cache/, so that a run that
// starts again maps them instead of reading and tokenizing its texts. Ranks of one machine share
// the memory, and so do runs.
//
// A file is found by its key, a hash of all that the data set is made of. The cache is never a
// reason for a run to fail: what cannot be read or written is a warning.
#pragma once
#include <filesystem>
#include <functional>
#include <list>
#include <optional>
#include <set>
#include <string>

#include "lait/data/token_file.h"

namespace lait {

class TokenCache {
 public:
  using Warn = std::function<void(const std::string&)>;

  // No cache: finds and writes nothing.
  TokenCache() = default;
  // In that folder. `writes`: the first rank's; others only read. Nothing is made before make().
  TokenCache(const std::filesystem::path& folder, bool writes) : folder_(folder), writes_(writes) {}
  // Removes what was not kept, and folders that are empty then and were not there before.
  ~TokenCache();
  TokenCache(const TokenCache&) = delete;
  TokenCache& operator=(const TokenCache&) = delete;

  // The file of a split ("train"), also one that another rank has not yet kept.
  std::optional<TokenFile> find(const std::string& split, const Digest& key,
                                const TokenizeOptions& options, const Warn& warn);
  // Makes the file of a split and maps it: fill(file) writes it and returns whether it is to be
  // used. If writing fails, which is a warning, the cache writes no more. nullopt then, and if the
  // cache does not write.
  std::optional<TokenFile> make(const std::string& split, const Digest& key,
                                const TokenizeOptions& options,
                                const std::function<bool(TokenFileWriter& file)>& fill,
                                const Warn& warn);
  // Gives the new files their names, and removes those of other keys. Until then, a run that is
  // refused has changed nothing.
  void keep(const Warn& warn);

 private:
  std::filesystem::path path_of(const std::string& split, const Digest& key) const;

  std::filesystem::path folder_;
  bool writes_ = false;
  std::list<TokenFileWriter> new_files_;
  std::set<std::filesystem::path> used_;  // by this run
  // The folders that make() made, the innermost first.
  std::list<std::filesystem::path> made_folders_;
};

}  // namespace lait
