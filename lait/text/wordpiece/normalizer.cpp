// BertNormalizer: a table for ASCII, one pass over code points for the rest.
#include "lait/text/wordpiece/normalizer.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <vector>

#include "lait/text/wordpiece/characters.h"

namespace lait {
namespace {

constexpr unsigned char kDropped = 0xFF;  // no ASCII character maps to it

// The part after cleaning: decomposition, canonical order, accents, lower case. A mark waits until the next starter.
class Emitter {
 public:
  Emitter(const BertNormalizerOptions& options, std::string& out) : options_(options), out_(out) {}

  void emit(char32_t c) {
    if (!options_.strip_accents) return lower(c);
    char32_t parts[kMaxDecomposition];
    const int count = bert_decompose(c, parts);
    for (int i = 0; i < count; ++i) {
      const uint8_t combining_class = bert_combining_class(parts[i]);
      if (combining_class == 0) flush();
      if (is_bert_accent(parts[i])) continue;
      if (combining_class == 0) {
        lower(parts[i]);
      } else {
        waiting_.push_back({combining_class, parts[i]});
      }
    }
  }

  void flush() {
    if (waiting_.empty()) return;
    std::stable_sort(waiting_.begin(), waiting_.end(), [](const Mark& a, const Mark& b) {
      return a.combining_class < b.combining_class;
    });
    for (const Mark& mark : waiting_) lower(mark.c);
    waiting_.clear();
  }

 private:
  struct Mark {
    uint8_t combining_class;
    char32_t c;
  };

  void lower(char32_t c) {
    if (!options_.lowercase) return append_utf8(c, out_);
    char32_t parts[kMaxLower];
    const int count = bert_lower(c, parts);
    for (int i = 0; i < count; ++i) append_utf8(parts[i], out_);
  }

  const BertNormalizerOptions& options_;
  std::string& out_;
  std::vector<Mark> waiting_;
};

}  // namespace

BertNormalizer::BertNormalizer(const BertNormalizerOptions& options) : options_(options) {
  for (unsigned c = 0; c < ascii_.size(); ++c) {
    ascii_[c] = static_cast<unsigned char>(c);
    if (options.clean_text && is_bert_control(c)) {
      ascii_[c] = kDropped;
    } else if (options.clean_text && is_bert_space(c)) {
      ascii_[c] = ' ';
    } else if (options.lowercase && c >= 'A' && c <= 'Z') {
      ascii_[c] = static_cast<unsigned char>(c + ('a' - 'A'));
    }
  }
}

void BertNormalizer::normalize(std::string_view text, std::string& out) const {
  Emitter emitter(options_, out);
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const size_t length = text.size();
  for (size_t i = 0; i < length;) {
    if (bytes[i] < 0x80) {
      // A run of ASCII is written in one go. One that is dropped whole is no starter: marks around it stay one run.
      while (i < length && bytes[i] < 0x80 && ascii_[bytes[i]] == kDropped) ++i;
      if (i == length || bytes[i] >= 0x80) continue;
      emitter.flush();
      size_t size = out.size();
      size_t end = i;
      while (end < length && bytes[end] < 0x80) ++end;
      out.resize(size + (end - i));
      for (; i < end; ++i) {
        const unsigned char mapped = ascii_[bytes[i]];
        out[size] = static_cast<char>(mapped);
        size += mapped != kDropped;
      }
      out.resize(size);
      continue;
    }
    UChar32 decoded;
    U8_NEXT_OR_FFFD(bytes, i, length, decoded);
    const auto c = static_cast<char32_t>(decoded);
    if (options_.clean_text && is_bert_control(c)) continue;
    if (options_.clean_text && is_bert_space(c)) {
      emitter.emit(' ');
    } else if (options_.handle_chinese_chars && is_bert_chinese(c)) {
      emitter.emit(' ');
      emitter.emit(c);
      emitter.emit(' ');
    } else {
      emitter.emit(c);
    }
  }
  emitter.flush();
}

}  // namespace lait
