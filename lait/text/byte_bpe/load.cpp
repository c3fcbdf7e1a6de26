// Loading a byte-level BPE tokenizer from a Hugging Face model directory.
//
// The result equals what transformers makes of the same files (docs/tokenizer-files.md):
// tokenizer.json, else vocab.json and merges.txt. Whether a space is put before the text comes from
// tokenizer_config.json, else from tokenizer.json. The truncation and padding of tokenizer.json are
// ignored: lait/data limits lengths.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "lait/base/error.h"
#include "lait/text/byte_bpe/byte_bpe.h"
#include "lait/text/special_tokens.h"
#include "lait/text/tokenizer_class.h"
#include "lait/text/tokenizer_files.h"
#include "lait/text/tokenizers.h"

namespace lait {
namespace {

using Json = nlohmann::json;

constexpr const char* kVocabJson = "vocab.json";
constexpr const char* kMergesTxt = "merges.txt";

class ByteBpeLoader {
 public:
  explicit ByteBpeLoader(const std::filesystem::path& dir) : files_(dir) {}

  ByteBpeSpec load() {
    class_ = read_tokenizer_class(files_, {{"RobertaTokenizer", DescribedLayout::roberta},
                                           {"BartTokenizer", DescribedLayout::roberta},
                                           {"LongformerTokenizer", DescribedLayout::roberta}});
    const std::optional<JsonFile>&tokenizer = files_.tokenizer(), &config = files_.config();
    for (const char* name : {kVocabJson, kMergesTxt})
      if (files_.has(name)) files_.read(name);
    if (tokenizer) {
      read_tokenizer(*tokenizer);
    } else {
      spec_.where = files_.path(kVocabJson);
      read_vocabulary();
      read_merges();
    }
    if (config) read_config(*config);
    const auto find = [&](std::string_view token) {
      const auto found = spec_.vocabulary.find(std::string(token));
      return found == spec_.vocabulary.end() ? kNoToken : found->second;
    };
    SpecialTokenFiles read =
        read_special_tokens(files_, {.cls = {"<s>", "[CLS]"},
                                     .sep = {"</s>", "[SEP]"},
                                     .pad = {"<pad>", "[PAD]"},
                                     .unk = {"<unk>", "[UNK]"},
                                     .mask = {"<mask>", "[MASK]"},
                                     .is_generic = class_.is_generic,
                                     .find = find,
                                     .vocabulary_size = spec_.vocabulary.size()});
    spec_.special_tokens = std::move(read.names);
    spec_.added_tokens = std::move(read.added);
    spec_.names_are_added = false;
    describe_class(class_, find, spec_);
    if (tokenizer) check_older_files();
    keep_prefix_space();
    spec_.files = std::move(files_.contents);
    return std::move(spec_);
  }

 private:
  void read_tokenizer(const JsonFile& file) {
    spec_.where = file.path;
    const Json& model = file.object(file.json, "model");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const auto text = file.get<std::string>(model, key, "a string");
      if (text && !text->empty()) file.fail(std::string("model.") + key, "none", model[key]);
    }
    const auto dropout = model.find("dropout");
    if (dropout != model.end() && !dropout->is_null() && *dropout != 0)
      file.fail("model.dropout", "none", *dropout, "it makes ids random; set it to null");
    spec_.ignore_merges = file.get_bool(model, "ignore_merges").value_or(false);
    expect_of_class(class_, file, "model.ignore_merges", spec_.ignore_merges, false);
    if (!file.object(file.json, "normalizer").empty())
      file.fail("normalizer", "none", file.json["normalizer"],
                "use the tokenizer files of a RoBERTa model");
    const Json& splitter = file.object_of_type(file.json, "pre_tokenizer", "ByteLevel");
    if (!file.get_bool(splitter, "use_regex").value_or(true))
      file.fail("pre_tokenizer.use_regex", "true", false);
    spec_.add_prefix_space = file.get_bool(splitter, "add_prefix_space").value_or(true);
    describe_post_processor(class_, file, spec_);

    const Json& vocabulary = file.object(model, "vocab");
    read_ids(file, vocabulary, "model.vocab");
    for (const Json& merge : file.list(model, "merges")) {
      const std::string where = file.path + ": model.merges: ";
      if (merge.is_string()) {
        add_merge_line(merge.get_ref<const std::string&>(), where);
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
                 merge[1].is_string()) {
        add_merge(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>(),
                  where);
      } else {
        file.fail("model.merges", "a list of pairs of tokens", merge);
      }
    }
  }

  // transformers does not read them beside tokenizer.json, so a change of them alone goes unseen.
  void check_older_files() {
    if (!files_.has(kVocabJson) && !files_.has(kMergesTxt)) return;
    ByteBpeSpec own;
    std::swap(own, spec_);
    const auto refuse = [&](const char* name, const char* what) {
      throw UserError(files_.path(name) + ": expected the " + what +
                      " of tokenizer.json, got others; transformers reads tokenizer.json alone: "
                      "remove the file that is wrong");
    };
    if (files_.has(kVocabJson)) {
      read_vocabulary();
      for (const auto& [token, id] : spec_.vocabulary) {
        const auto find = [&](std::string_view wanted) {
          const auto found = own.vocabulary.find(std::string(wanted));
          return found == own.vocabulary.end() ? kNoToken : found->second;
        };
        // <mask> and the like may be added tokens there.
        if (token_id(token, find, own.added_tokens) != id) refuse(kVocabJson, "tokens");
      }
    }
    if (files_.has(kMergesTxt)) {
      spec_.vocabulary = own.vocabulary;
      read_merges();
      if (spec_.merges != own.merges) refuse(kMergesTxt, "merges");
    }
    std::swap(own, spec_);
  }

  void read_config(const JsonFile& config) {
    spec_.add_prefix_space =
        value_of_class(class_, config, "add_prefix_space", spec_.add_prefix_space).value();
    spec_.trim_offsets.add_prefix_space = spec_.add_prefix_space;
    if (const auto trim = config.get_bool(config.json, "trim_offsets"))
      spec_.trim_offsets.trim = *trim;
  }

  // transformers reads it from this file only, so a saved copy says what tokenizer.json said.
  void keep_prefix_space() {
    Json config = files_.config() ? files_.config()->json : Json::object();
    if (class_.is_generic || !spec_.add_prefix_space || config.contains("add_prefix_space")) return;
    config.emplace("tokenizer_class", "RobertaTokenizer");
    config["add_prefix_space"] = true;
    files_.contents[kTokenizerConfig] = config.dump(2) + "\n";
  }

  void read_vocabulary() {
    const JsonFile file = *files_.read_json(kVocabJson);
    read_ids(file, file.json, "the file");
  }

  void read_ids(const JsonFile& file, const Json& ids, const std::string& key) {
    if (ids.size() > kMaxVocabulary)
      throw UserError(file.path + ": " + key + ": expected at most " +
                      std::to_string(kMaxVocabulary) + " tokens, got more");
    spec_.vocabulary.reserve(ids.size());
    file.read_ids(ids, key, [&](const std::string& token, int32_t id) {
      spec_.vocabulary.emplace(token, id);
    });
  }

  // A merge a line, as "left right"; the file may begin with "#version: 0.2".
  void read_merges() {
    std::string_view rest = files_.contents.at(kMergesTxt);
    for (size_t number = 1; !rest.empty(); ++number) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      add_merge_line(line, files_.path(kMergesTxt) + ":" + std::to_string(number) + ": ");
    }
  }

  void add_merge_line(std::string_view line, const std::string& where) {
    if (line.starts_with("#version")) return;
    const size_t space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos)
      throw UserError(where + "expected two tokens with a space between them, got '" + plain(line) +
                      "'");
    add_merge(line.substr(0, space), line.substr(space + 1), where);
  }

  void add_merge(std::string_view left, std::string_view right, const std::string& where) {
    if (spec_.merges.size() == kMaxVocabulary)
      throw UserError(where + "expected at most " + std::to_string(kMaxVocabulary) +
                      " merges, got more");
    const auto id = [&](std::string token) {
      const auto found = spec_.vocabulary.find(token);
      if (found == spec_.vocabulary.end())
        throw UserError(where + "expected tokens of the vocabulary, got '" + plain(token) + "'");
      return found->second;
    };
    const int32_t left_id = id(std::string(left)), right_id = id(std::string(right));
    spec_.merges.push_back({left_id, right_id, id(std::string(left).append(right))});
  }

  TokenizerFiles files_;
  ByteBpeSpec spec_;
  TokenizerClass class_;
};

bool reads_byte_bpe(const std::filesystem::path& model_dir) {
  const std::string type = tokenizer_json_type(model_dir);
  const TokenizerFiles files(model_dir);
  return type.empty() ? files.has(kVocabJson) && files.has(kMergesTxt) : type == "BPE";
}

std::shared_ptr<const Tokenizer> load_byte_bpe(const std::filesystem::path& model_dir) {
  return std::make_shared<ByteBpe>(ByteBpeLoader(model_dir).load());
}

}  // namespace

const TokenizerKind& byte_bpe_tokenizer() {
  static constexpr TokenizerKind kKind{"byte-level BPE",
                                       "tokenizer.json of type BPE, or vocab.json and merges.txt",
                                       reads_byte_bpe, load_byte_bpe};
  return kKind;
}

}  // namespace lait
