#include "lait/data/token_file.h"

#include <array>
#include <cstring>
#include <memory>

#include "lait/base/error.h"
#include "lait/base/files.h"

namespace lait {
namespace {

constexpr std::array<char, 8> kMagic{'L', 'A', 'I', 'T', '.', 'T', 'O', 'K'};
constexpr size_t kAlignment = 8;

struct Head {
  std::array<char, 8> magic = kMagic;
  uint64_t version = kTokenFileVersion;
  Digest key;
};
static_assert(sizeof(Head) == 32 && sizeof(Head) % kAlignment == 0);

struct Tail {
  std::array<uint64_t, kNumTokenArrays> array_bytes{};
  uint64_t facts_bytes = 0;
  Digest hash;
};
// The part of the tail that the hash covers.
constexpr size_t kHashedTail = offsetof(Tail, hash);

size_t padding(uint64_t bytes) { return (kAlignment - bytes % kAlignment) % kAlignment; }

[[noreturn]] void damaged(const std::filesystem::path& path, const std::string& how) {
  throw UserError(path.string() + ": expected a whole file of tokens, got a damaged one (" + how +
                  ")");
}

}  // namespace

TokenFileWriter::TokenFileWriter(const std::filesystem::path& path, const Digest& key)
    : path_(path), file_(path) {
  const Head head{.key = key};
  write(&head, sizeof(head));
}

void TokenFileWriter::write(const void* data, size_t bytes) {
  file_.write({static_cast<const char*>(data), bytes});
  hash_.add(data, bytes);
}

void TokenFileWriter::write_tokens(std::span<const int32_t> tokens) {
  write(tokens.data(), tokens.size_bytes());
  token_bytes_ += tokens.size_bytes();
}

void TokenFileWriter::finish(const TokenArrays<Owned>& arrays, std::string_view facts) {
  constexpr std::array<char, kAlignment> kZeros{};
  write_tokens(arrays.tokens.values);
  Tail tail;
  const ArrayBytes bytes = bytes_of(arrays);
  for (size_t a = 0; a < bytes.size(); ++a) {
    if (a > 0) write(bytes[a].data(), bytes[a].size());
    tail.array_bytes[a] = a > 0 ? bytes[a].size() : token_bytes_;
    write(kZeros.data(), padding(tail.array_bytes[a]));
  }
  write(facts.data(), facts.size());
  tail.facts_bytes = facts.size();
  write(&tail, kHashedTail);
  tail.hash = hash_.digest();
  file_.write({reinterpret_cast<const char*>(&tail.hash), sizeof(tail.hash)});
  file_.sync();
}

std::optional<TokenFile> open_token_file(const std::filesystem::path& path, const Digest& key,
                                         const TokenizeOptions& options) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return std::nullopt;
  const auto file = std::make_shared<const MappedFile>(path);
  const std::span<const std::byte> bytes{file->data(), file->size()};
  if (bytes.size() < sizeof(Head) + sizeof(Tail)) damaged(path, "it is too short");
  Head head;
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (head.magic != kMagic) damaged(path, "it begins with other bytes");
  if (head.version != kTokenFileVersion || head.key != key) return std::nullopt;
  Tail tail;
  std::memcpy(&tail, bytes.last(sizeof(tail)).data(), sizeof(tail));
  ContentHash hash;
  hash.add(bytes.data(), bytes.size() - sizeof(tail.hash));
  if (hash.digest() != tail.hash) damaged(path, "its hash is another one");
  // The hash says that these are the sizes that were written.
  ArrayBytes arrays;
  size_t at = sizeof(Head);
  for (size_t a = 0; a < arrays.size(); ++a) {
    arrays[a] = bytes.subspan(at, tail.array_bytes[a]);
    at += arrays[a].size() + padding(arrays[a].size());
  }
  const std::span<const std::byte> facts = bytes.subspan(at, tail.facts_bytes);
  return TokenFile{Dataset(arrays_of(arrays), options, file),
                   {reinterpret_cast<const char*>(facts.data()), facts.size()}};
}

}  // namespace lait
