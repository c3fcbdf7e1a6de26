// T5Tokenizer around SentencePiece's library.
#include "lait/text/sentencepiece/sentencepiece.h"

#include <sentencepiece_processor.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>

#include "lait/base/error.h"
#include "lait/text/sentencepiece/model_file.h"
#include "lait/text/tokenizer_files.h"
#include "lait/text/utf8.h"

namespace lait {
namespace {

// "▁", SentencePiece's space.
constexpr std::string_view kBlank = "\xE2\x96\x81";

// text without the white space of Python's str.strip at its ends.
std::string_view strip(std::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  size_t begin = 0, end = 0;
  bool found = false;
  for (size_t i = 0; i < text.size();) {
    const size_t at = i;
    UChar32 c;
    U8_NEXT(bytes, i, text.size(), c);
    if (c >= 0 && u_isspace(c)) continue;
    if (!found) begin = at;
    found = true;
    end = i;
  }
  return text.substr(begin, end - begin);
}

}  // namespace

struct SentencePiece::Text {
  std::vector<int32_t>& ids;
  // Null where no ranges are wanted.
  std::vector<ByteRange>* ranges = nullptr;
  // The text as it came, and for each byte of the text that is split, and its end, where its
  // character begins there. Only with ranges.
  std::string_view text = {};
  std::vector<int32_t> origins = {};
  size_t first = ids.size();
  // The first token is a lone blank and the second one special.
  bool first_is_blank = false, second_is_special = false;

  // Bytes [begin, end) of the text that is split.
  void add(int32_t id, size_t begin, size_t end) {
    ids.push_back(id);
    if (ranges == nullptr) return;
    const size_t last = origins.size() - 1;
    // Up to the end of a character, of the one behind where there is none.
    while (end < last &&
           (origins[end] == origins[begin] || (end > 0 && origins[end] == origins[end - 1])))
      ++end;
    ranges->push_back(one_space(origins[begin], origins[end]));
  }

  // Leaves out all but the last character of the white space that the range begins with.
  ByteRange one_space(int32_t begin, int32_t end) const {
    const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
    const auto is_space = [&](int32_t& i) {
      UChar32 c;
      U8_NEXT(bytes, i, end, c);
      return c >= 0 && u_isspace(c);
    };
    for (int32_t behind = begin; behind < end;) {
      if (!is_space(behind)) break;
      int32_t next = behind;
      if (behind == end || !is_space(next)) break;
      begin = behind;
    }
    return {begin, end};
  }
};

SentencePiece::SentencePiece(const SentencePieceSpec& spec)
    : FileTokenizer(spec),
      processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()),
      legacy_(spec.legacy),
      add_prefix_space_(spec.add_prefix_space),
      unk_(spec.special_tokens.unk) {
  const auto status =
      processor_->LoadFromSerializedProto(legacy_ ? spec.model : without_dummy_prefix(spec.model));
  if (!status.ok())
    throw UserError(spec.where + ": expected a SentencePiece model, got one that its library " +
                    "refuses (" + shortened(plain(status.message())) +
                    "); use the file that came with the model");
  const auto find = [&](std::string_view token) {
    const int32_t id = processor_->PieceToId(token);
    return processor_->IdToPiece(id) == token ? id : kNoToken;
  };
  for (const AddedToken& token : spec.added_tokens) {
    added_ids_[token.content] = token.id;
    added_contents_[token.id] = token.content;
  }
  set_words({.find = find,
             .size = processor_->GetPieceSize(),
             .needs = {.cls = false, .unk = true},
             .sep_key = "eos_token",
             .space = AddedTokens::Space::kPython});
  special_ = {spec.special_tokens.sep, spec.special_tokens.pad, unk_};
  special_.insert(spec.other_special.begin(), spec.other_special.end());
  special_.insert(spec.additional.begin(), spec.additional.end());
  for (const auto& [token, id] : added_ids_)
    if (!special_.contains(token)) spaced_.insert(token);
  for (const std::string& token : spec.additional)
    if (id_of(token) >= processor_->GetPieceSize()) spaced_.insert(token);
  unk_length_ = processor_->EncodeAsIds(unk_).size();
}

SentencePiece::~SentencePiece() = default;

int32_t SentencePiece::id_of(const std::string& token) const {
  const auto added = added_ids_.find(token);
  return added != added_ids_.end() ? added->second : processor_->PieceToId(token);
}

void SentencePiece::encode(std::string_view text, std::vector<int32_t>& out) const {
  Text sink{.ids = out};
  if (is_valid_utf8(text)) {
    encode_text(text, sink);
  } else {
    encode_text(replace_invalid_utf8(text, nullptr), sink);
  }
}

void SentencePiece::encode(std::string_view text, std::vector<int32_t>& out,
                           std::vector<ByteRange>& ranges) const {
  Text sink{.ids = out, .ranges = &ranges, .text = text};
  encode_text(replace_invalid_utf8(text, &sink.origins), sink);
}

void SentencePiece::encode_text(std::string_view text, Text& out) const {
  if (text.empty()) return;
  std::string prepared;
  if (!legacy_) {
    // "▁" is a blank in texts, too, and one stands before the text.
    std::vector<int32_t> origins;
    prepared.reserve(text.size() + kBlank.size());
    if (add_prefix_space_) prepared = kBlank;
    if (out.ranges != nullptr) origins.assign(prepared.size(), 0);
    for (size_t from = 0; from < text.size();) {
      const size_t at = std::min(text.find(kBlank, from), text.size());
      prepared += text.substr(from, at - from);
      if (at < text.size()) prepared += ' ';
      if (out.ranges != nullptr) {
        const auto begin = out.origins.begin() + static_cast<std::ptrdiff_t>(from);
        origins.insert(origins.end(), begin,
                       begin + static_cast<std::ptrdiff_t>(at - from + (at < text.size())));
      }
      from = at + kBlank.size();
    }
    if (out.ranges != nullptr) {
      origins.push_back(out.origins.back());
      out.origins = std::move(origins);
    }
    text = prepared;
  }
  added_.split(
      text, [&](size_t begin, size_t end) { encode_piece(text, begin, end, out); },
      [&](size_t begin, size_t end, int32_t id) {
        if (out.ids.size() == out.first + 1)
          out.second_is_special = special_.contains(added_contents_.at(id));
        const std::string_view token = strip(text.substr(begin, end - begin));
        begin = static_cast<size_t>(token.data() - text.data());
        out.add(id, begin, begin + token.size());
      });
  const bool has_two = out.ids.size() > out.first + 1;
  if (legacy_ || !has_two || !out.first_is_blank || !out.second_is_special) return;
  const auto first = static_cast<std::ptrdiff_t>(out.first);
  out.ids.erase(out.ids.begin() + first);
  if (out.ranges != nullptr) {
    const size_t tokens = out.ids.size() - out.first + 1;
    out.ranges->erase(out.ranges->end() - static_cast<std::ptrdiff_t>(tokens));
  }
}

void SentencePiece::encode_piece(std::string_view text, size_t begin, size_t end, Text& out) const {
  std::string_view piece = text.substr(begin, end - begin);
  // The library drops blanks at the beginning where it is not to put one there, so they are hidden
  // behind unk's text, whose pieces are left out.
  std::string behind_unk;
  if (!legacy_ && (piece.starts_with(kBlank) || piece.starts_with(' '))) {
    behind_unk.append(unk_).append(piece);
    piece = behind_unk;
  }
  const size_t added = behind_unk.empty() ? 0 : unk_.size();
  sentencepiece::ImmutableSentencePieceText split;
  const auto status = processor_->Encode(piece, split.mutable_proto());
  if (!status.ok()) throw std::logic_error(std::string("SentencePiece: ") + status.message());
  const size_t size = split.pieces_size();
  const size_t skipped = added > 0 && size >= unk_length_ ? unk_length_ : 0;
  const int32_t unk = special_tokens_.unk;
  for (size_t i = skipped; i < size; ++i) {
    const auto token = split.pieces(static_cast<int>(i));
    auto id = static_cast<int32_t>(token.id());
    // A text that is no piece may be an added token, which normalising made.
    if (id == unk) id = id_of(token.piece());
    const size_t number = out.ids.size() - out.first;
    if (number == 0) out.first_is_blank = token.piece() == kBlank;
    if (number == 1 && out.first_is_blank) out.second_is_special = special_.contains(token.piece());
    const auto in_text = [&](size_t at) { return begin + std::max(at, added) - added; };
    out.add(id, in_text(token.begin()), in_text(token.end()));
  }
}

std::string SentencePiece::decode(const std::vector<int32_t>& ids, bool skip_special_tokens) const {
  std::string out;
  std::vector<std::string> pieces;
  bool is_first = true;
  const auto append = [&](std::string_view part) {
    if (!is_first) out += ' ';
    is_first = false;
    out += part;
  };
  for (const int32_t id : ids) {
    const auto added = added_contents_.find(id);
    std::string token;
    if (added != added_contents_.end()) {
      token = added->second;
    } else if (id >= 0 && id < processor_->GetPieceSize()) {
      token = processor_->IdToPiece(id);
    } else {
      continue;
    }
    if (skip_special_tokens && special_.contains(token)) continue;
    if (!spaced_.contains(token)) {
      pieces.push_back(std::move(token));
      continue;
    }
    if (!pieces.empty()) {
      const std::string part = decode_pieces(std::exchange(pieces, {}));
      if (!part.empty()) append(part);
    }
    append(token);
  }
  if (!pieces.empty()) append(decode_pieces(std::move(pieces)));
  return out;
}

std::string SentencePiece::decode_pieces(std::vector<std::string> tokens) const {
  if (add_prefix_space_ && tokens[0].starts_with(kBlank)) tokens[0].erase(0, kBlank.size());
  std::string out;
  std::vector<std::string> pieces;
  const auto flush = [&] {
    out += processor_->DecodePieces(pieces);
    pieces.clear();
  };
  bool after_special = false;
  for (std::string& token : tokens) {
    const bool is_special = special_.contains(token);
    if (is_special) {
      if (!after_special) out += ' ';
      flush();
      out += token;
    } else {
      pieces.push_back(std::move(token));
    }
    after_special = is_special;
  }
  flush();
  return std::string(strip(out));
}

}  // namespace lait
