// A tokenized data set in a file, from which it is mapped: pages that are not in use cost no
// memory.
//
//   head    "LAIT.TOK", version (8 bytes), key (16 bytes)
//   arrays  those of TokenArrays, in the order of for_each_array; each begins at a multiple of 8
//   facts   a text of whoever wrote the file
//   tail    bytes of each array and of the facts (8 bytes each), hash of all before it (16 bytes)
//
// Numbers are in the machine's byte order. A file is whole or not used: opening it reads all of it
// and compares the hash.
#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lait/base/content_hash.h"
#include "lait/base/file_writer.h"
#include "lait/data/dataset.h"

namespace lait {

// Goes up with every change of the format or of what the arrays mean.
inline constexpr uint64_t kTokenFileVersion = 3;

// Writes a file in the order of its parts; see file_writer.h. Throws WriteError.
class TokenFileWriter {
 public:
  // `key`: what the data set is made of.
  TokenFileWriter(const std::filesystem::path& path, const Digest& key);

  // Appends tokens. May be called several times.
  void write_tokens(std::span<const int32_t> tokens);
  // Writes the rest: the arrays but for the tokens written before, and the facts. The file is then
  // whole under its temporary name, unfinished_path().
  void finish(const TokenArrays<Owned>& arrays, std::string_view facts);
  // Gives the file its name.
  void commit() { file_.commit(); }
  std::filesystem::path unfinished_path() const { return path_.string() + kUnfinishedSuffix; }

 private:
  void write(const void* data, size_t bytes);

  std::filesystem::path path_;
  FileWriter file_;
  ContentHash hash_;
  uint64_t token_bytes_ = 0;
};

struct TokenFile {
  Dataset dataset;
  std::string facts;
};
// Maps a file. nullopt: there is none, or it is of another version or key. Throws UserError
// "path: expected …, got …" if it is damaged or cannot be read. `options`: those with which it was
// made.
std::optional<TokenFile> open_token_file(const std::filesystem::path& path, const Digest& key,
                                         const TokenizeOptions& options);

}  // namespace lait
