// How transformers reads a tokenizer's directory: with the class that its files name, and by the
// fields of tokenizer_config.json that all classes have. What would change ids and is not
// supported is refused. docs/tokenizer-files.md lists all files and fields.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "lait/text/file_tokenizer.h"
#include "lait/text/tokenizer_files.h"

namespace lait {

// A class, by its name without "Fast", and how it dresses texts.
struct KnownClass {
  const char* name;
  DescribedLayout (*layout)(int32_t cls, int32_t sep);
  // Where model_input_names does not say it.
  bool gives_types = false;
};

struct TokenizerClass {
  // Empty: no file names one, so it is the one of the model's type.
  std::string name;
  // Null where the name is empty and for the generic class.
  DescribedLayout (*layout)(int32_t cls, int32_t sep) = nullptr;
  // "DIR/tokenizer_config.json: tokenizer_class".
  std::string where;
  // It takes tokenizer.json as it stands. Other classes take its vocabulary and added tokens, and
  // make the rest by tokenizer_config.json.
  bool is_generic = false;
  // What is wrong with it for models with token types; empty: it gives them.
  std::string no_types;
};

// Throws UserError for a class that is neither generic nor `known`, and for fields that are not
// supported. Reads config.json, too.
TokenizerClass read_tokenizer_class(TokenizerFiles& files, const std::vector<KnownClass>& known);

// Throws UserError where tokenizer.json has another value than the one that every class but the
// generic one gives it.
template <typename T>
void expect_of_class(const TokenizerClass& tokenizer_class, const JsonFile& file,
                     const std::string& key, const T& value, const T& of_class) {
  if (tokenizer_class.is_generic || value == of_class) return;
  file.fail(key, JsonFile::Json(of_class).dump() + ", which transformers takes in its place", value,
            R"(if the file is right, write "tokenizer_class": "PreTrainedTokenizerFast" into )"
            "tokenizer_config.json");
}

// Tells `spec` what tokenizer.json's post_processor says: a layout, and how ranges are trimmed.
void describe_post_processor(const TokenizerClass& tokenizer_class, const JsonFile& tokenizer_json,
                             TokenizerSpec& spec);
// Tells `spec` the layout of the class. REQUIRES: its special and added tokens were read. `find`:
// among the tokens of the vocabulary.
void describe_class(const TokenizerClass& tokenizer_class, const FindToken& find,
                    TokenizerSpec& spec);

// The value of tokenizer_config.json, else of tokenizer.json. Throws UserError where the generic
// class reads tokenizer.json's and they differ.
std::optional<bool> value_of_class(const TokenizerClass& tokenizer_class, const JsonFile& config,
                                   const char* key, std::optional<bool> of_tokenizer_json);

}  // namespace lait
