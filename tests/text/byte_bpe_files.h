// The files of a small byte-level BPE tokenizer, for tests: ids 0 to 255 are the bytes, then <s>
// <pad> </s> <unk> <mask>, and "he" "ll" "hell" "hello" and " hello" from 261 to 265.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "lait/text/byte_bpe/byte_level.h"

namespace lait::byte_bpe_files {

inline const std::vector<std::pair<std::string, std::string>> kMerges = {
    {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"\u0120", "hello"}};

inline nlohmann::json vocabulary() {
  nlohmann::json ids = nlohmann::json::object();
  for (const std::string& byte : byte_level_alphabet()) ids[byte] = ids.size();
  for (const char* token : {"<s>", "<pad>", "</s>", "<unk>", "<mask>"}) ids[token] = ids.size();
  for (const auto& [left, right] : kMerges) ids[left + right] = ids.size();
  return ids;
}

inline std::string vocab_json() { return vocabulary().dump(); }

inline std::string merges_txt() {
  std::string text = "#version: 0.2\n";
  for (const auto& [left, right] : kMerges) text += left + " " + right + "\n";
  return text;
}

inline nlohmann::json tokenizer_json() {
  const nlohmann::json
      mask = {{"id", 260}, {"content", "<mask>"}, {"lstrip", true}, {"special", true}},
      end = {{"id", 258}, {"content", "</s>"}, {"normalized", true}, {"special", true}};
  return {
      {"version", "1.0"},
      {"truncation", {{"max_length", 1}}},
      {"added_tokens", {mask, end}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"post_processor",
       {{"type", "RobertaProcessing"},
        {"cls", {"<s>", 256}},
        {"sep", {"</s>", 258}},
        {"trim_offsets", true},
        {"add_prefix_space", false}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", ""},
        {"end_of_word_suffix", ""},
        {"vocab", vocabulary()},
        {"merges", kMerges}}}};
}

}  // namespace lait::byte_bpe_files
