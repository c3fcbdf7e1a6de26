#include "lait/text/described_layout.h"

#include "lait/base/error.h"

namespace lait {
namespace {

using Json = JsonFile::Json;
using Piece = DescribedLayout::Piece;

// A special token that the model's layout has and the tokenizer has not.
constexpr int32_t kMissing = -3;

// A token's id in ["</s>", 2].
int32_t id_of(const JsonFile& file, const Json& processor, const char* key) {
  const Json& token = file.list(processor, key);
  if (token.size() != 2 || !token[1].is_number_unsigned() ||
      token[1].get<uint64_t>() >= INT32_MAX) {
    file.fail(std::string("post_processor.") + key, "a token and its id", token);
  }
  return token[1].get<int32_t>();
}

// {"SpecialToken": {"id": "[CLS]", "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}}.
void add_piece(const JsonFile& file, const Json& processor, const Json& piece,
               std::vector<Piece>& out) {
  const Json &text = file.object(piece, "Sequence"), &token = file.object(piece, "SpecialToken");
  const Json& read = text.empty() ? token : text;
  const auto name = file.get<std::string>(read, "id", "a string");
  const auto type = file.get<int32_t>(read, "type_id", "a token type");
  if (!name || !type) file.fail("post_processor", "texts and special tokens", piece);
  if (!text.empty()) {
    out.push_back(
        {*name == "A" ? DescribedLayout::kFirstText : DescribedLayout::kSecondText, *type});
    return;
  }
  const Json& described = file.object(file.object(processor, "special_tokens"), name->c_str());
  for (const Json& id : file.list(described, "ids")) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= INT32_MAX)
      file.fail("post_processor.special_tokens", "ids of 0 or more", id);
    out.push_back({id.get<int32_t>(), *type});
  }
}

std::vector<Piece> read_template(const JsonFile& file, const Json& processor, const char* key) {
  std::vector<Piece> out;
  for (const Json& piece : file.list(processor, key)) {
    if (!piece.is_object()) file.fail("post_processor", "a list of objects", piece);
    add_piece(file, processor, piece, out);
  }
  return out;
}

std::string shown(const std::vector<Piece>& pieces, bool with_types,
                  const std::function<std::string(int32_t)>& name) {
  std::string out;
  for (const Piece& piece : pieces) {
    out += out.empty() ? "" : " ";
    out += piece.id == DescribedLayout::kFirstText    ? "A"
           : piece.id == DescribedLayout::kSecondText ? "B"
           : piece.id == kMissing                     ? "(a token that is not there)"
                                                      : name(piece.id);
    if (with_types) out.append(":").append(std::to_string(piece.type));
  }
  return out.empty() ? "nothing" : out;
}

}  // namespace

DescribedLayout DescribedLayout::bert(int32_t cls, int32_t sep) {
  return {
      .single = {{cls, 0}, {kFirstText, 0}, {sep, 0}},
      .pair = std::vector<Piece>{{cls, 0}, {kFirstText, 0}, {sep, 0}, {kSecondText, 1}, {sep, 1}}};
}

DescribedLayout DescribedLayout::roberta(int32_t cls, int32_t sep) {
  return {.single = {{cls, 0}, {kFirstText, 0}, {sep, 0}},
          .pair = std::vector<Piece>{
              {cls, 0}, {kFirstText, 0}, {sep, 0}, {sep, 0}, {kSecondText, 0}, {sep, 0}}};
}

DescribedLayout DescribedLayout::t5(int32_t, int32_t sep) {
  return {.single = {{kFirstText, 0}, {sep, 0}}};
}

void DescribedLayout::check(const SegmentLayout& layout,
                            const std::function<std::string(int32_t)>& name) const {
  const bool with_types = layout.second_type != layout.first_type;
  const auto model_pieces = [&](bool is_pair) {
    std::vector<Piece> out;
    const auto add = [&](int32_t id, int32_t type) {
      out.push_back({id == kNoToken ? kMissing : id, type});
    };
    int32_t type = layout.first_type;
    for (const int32_t id : layout.prefix) add(id, type);
    out.push_back({kFirstText, type});
    for (size_t i = 0; is_pair && i < layout.between.size(); ++i) {
      const bool of_first = static_cast<int64_t>(i) < layout.between_of_first;
      add(layout.between[i], of_first ? layout.first_type : layout.second_type);
    }
    if (is_pair) type = layout.second_type;
    if (is_pair) out.push_back({kSecondText, type});
    for (const int32_t id : layout.suffix) add(id, type);
    return out;
  };
  for (const bool is_pair : {false, true}) {
    if (is_pair && !pair) continue;
    std::vector<Piece> model = model_pieces(is_pair), file = is_pair ? *pair : single;
    if (!with_types) {
      for (Piece& piece : model) piece.type = 0;
      for (Piece& piece : file) piece.type = 0;
    }
    if (model == file) continue;
    throw UserError(where + ": expected " + shown(model, with_types, name) +
                    ", as the model is given its texts, got " + shown(file, with_types, name) +
                    "; " + way_out);
  }
}

PostProcessor read_post_processor(const JsonFile& file) {
  PostProcessor found;
  bool trims = false;
  const auto read = [&](const Json& processor) {
    const auto type = file.get<std::string>(processor, "type", "a string").value_or("");
    if (!trims && (type == "RobertaProcessing" || type == "ByteLevel")) {
      trims = true;
      found.trim_offsets = {file.get_bool(processor, "trim_offsets").value_or(true),
                            file.get_bool(processor, "add_prefix_space").value_or(true)};
    }
    if (type == "ByteLevel" || processor.empty()) return;
    DescribedLayout layout;
    if (type == "BertProcessing" || type == "RobertaProcessing") {
      const int32_t cls = id_of(file, processor, "cls"), sep = id_of(file, processor, "sep");
      layout = type == "BertProcessing" ? DescribedLayout::bert(cls, sep)
                                        : DescribedLayout::roberta(cls, sep);
    } else if (type == "TemplateProcessing") {
      layout.single = read_template(file, processor, "single");
      layout.pair = read_template(file, processor, "pair");
    } else {
      throw UserError(file.path +
                      ": post_processor.type: expected TemplateProcessing, BertProcessing, "
                      "RobertaProcessing, ByteLevel or a Sequence with one of them, got " +
                      plain(type));
    }
    if (found.layout) file.fail("post_processor", "one that adds special tokens", processor);
    layout.where = file.path + ": post_processor";
    layout.way_out = "use the tokenizer files of the model";
    found.layout = std::move(layout);
  };
  const Json& processor = file.object(file.json, "post_processor");
  if (file.get<std::string>(processor, "type", "a string") != "Sequence") {
    read(processor);
    return found;
  }
  for (const Json& part : file.list(processor, "processors")) {
    if (!part.is_object()) file.fail("post_processor", "a list of objects", part);
    read(part);
  }
  return found;
}

}  // namespace lait
