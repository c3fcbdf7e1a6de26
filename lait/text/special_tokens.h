// Special and added tokens: reading them from a tokenizer's files, and finding their ids in a
// vocabulary.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lait/text/added_tokens.h"
#include "lait/text/offsets.h"
#include "lait/text/tokenizer.h"
#include "lait/text/tokenizer_files.h"

namespace lait {

// The text of each special token.
struct SpecialTokenNames {
  std::string cls, sep, pad, unk, mask;
};

// The id of a token, or kNoToken.
using FindToken = std::function<int32_t(std::string_view)>;

// Ids from the vocabulary, else from the added tokens. Throws UserError beginning with `where`
// unless cls, sep and pad have one, and unk where it is needed.
SpecialTokens find_special_tokens(const SpecialTokenNames& names, bool needs_unk,
                                  const FindToken& find, const std::vector<AddedToken>& added,
                                  const std::string& where);

// Adds to `added` the special tokens that have an id and are not among them.
void add_special_tokens(const SpecialTokenNames& names, const SpecialTokens& ids,
                        std::vector<AddedToken>& added);

// From "post_processor".
TrimOffsets read_trim_offsets(const JsonFile& tokenizer_json);

// Collects what the files say. The first file that has a content in its added tokens decides on
// that token; the last one that names a special token decides on the name.
class SpecialTokenReader {
 public:
  // "added_tokens" of tokenizer.json.
  void read_tokenizer(const JsonFile& file);
  // tokenizer_config.json: "added_tokens_decoder" and names.
  void read_config(const JsonFile& file);
  // special_tokens_map.json: "cls_token": "[CLS]" or {"content": "[CLS]", ...}.
  void read_names(const JsonFile& file);
  // added_tokens.json: tokens and their ids.
  void read_added(const JsonFile& file);

  // Names that no file has become the first of `candidates` that `find` knows, or the first of all.
  struct Defaults {
    std::vector<std::string> cls, sep, pad, unk, mask;
    // Whether mask takes the white space before it, even where no file says so.
    bool mask_lstrip = false;
  };
  // Ends the reading. Special tokens that are found in the vocabulary and that a file describes
  // ({"lstrip": true}) are added with what it says.
  void resolve(const Defaults& defaults, const FindToken& find);

  SpecialTokenNames names;
  std::vector<AddedToken> added;

 private:
  void add(const JsonFile& file, const std::string& key, const JsonFile::Json& token, int32_t id);
  void add(const JsonFile& file, const std::string& key, AddedToken token);

  // Special tokens as the files describe them, in the order of kTokenKeys in the .cpp; an empty
  // content: not named.
  std::vector<AddedToken> named_;
  // "additional_special_tokens".
  std::vector<AddedToken> more_;
  // The contents of `added`.
  std::set<std::string> contents_;
  // added_tokens.json.
  std::map<std::string, int32_t> ids_;
};

}  // namespace lait
