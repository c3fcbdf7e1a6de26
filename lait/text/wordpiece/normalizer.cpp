// BertNormalizer: a table for ASCII, one pass over code points for the rest.
#include "lait/text/wordpiece/normalizer.h"

#include <unicode/utf8.h>

#include <algorithm>

#include "lait/text/wordpiece/characters.h"

namespace lait {
namespace {

constexpr unsigned char kDropped = 0xFF;  // no ASCII character maps to it

ByteRange byte_range(size_t begin, size_t end) {
  return {static_cast<int32_t>(begin), static_cast<int32_t>(end)};
}

// Where the normalised text goes: the text alone, or with the ranges it was made from.
struct NormalizedText {
  static constexpr bool kRanges = false;
  std::string& text;

  void put(char32_t c, ByteRange) { append_utf8(c, text); }
};

struct NormalizedRanges {
  static constexpr bool kRanges = true;
  std::string& text;
  std::vector<ByteRange>& ranges;

  void put(char32_t c, ByteRange from) {
    const size_t size = text.size();
    append_utf8(c, text);
    ranges.insert(ranges.end(), text.size() - size, from);
  }
};

// The steps after cleaning: decomposition, canonical order, accents, lower case. A mark waits for
// the next starter.
//
// Ranges are those of `tokenizers`: the n-th character that begins a decomposition comes from the
// n-th character before the step, after sorting; the other characters of a decomposition come from
// where the character before them came from.
template <class Sink>
class Emitter {
 public:
  Emitter(const BertNormalizerOptions& options, Sink& sink) : options_(options), sink_(sink) {}

  void emit(char32_t c, ByteRange from) {
    if (!options_.strip_accents) return lower(c, from);
    char32_t parts[kMaxDecomposition];
    const int count = bert_decompose(c, parts);
    for (int i = 0; i < count; ++i) {
      const uint8_t combining_class = bert_combining_class(parts[i]);
      if (combining_class == 0) {
        flush();
        if (i == 0) last_ = from;
        if (!is_bert_accent(parts[i])) lower(parts[i], last_);
      } else if (Sink::kRanges || !is_bert_accent(parts[i])) {
        waiting_.push_back({combining_class, /*begins=*/i == 0, parts[i]});
        if (Sink::kRanges && i == 0) sources_.push_back(from);
      }
    }
  }

  void flush() {
    if (waiting_.empty()) return;
    std::stable_sort(waiting_.begin(), waiting_.end(), [](const Mark& a, const Mark& b) {
      return a.combining_class < b.combining_class;
    });
    size_t source = 0;
    for (const Mark& mark : waiting_) {
      if (Sink::kRanges) {
        if (mark.begins) last_ = sources_[source++];
        if (is_bert_accent(mark.c)) continue;
      }
      lower(mark.c, last_);
    }
    waiting_.clear();
    sources_.clear();
  }

 private:
  struct Mark {
    uint8_t combining_class;
    // Whether it is the first of a decomposition.
    bool begins;
    char32_t c;
  };

  void lower(char32_t c, ByteRange from) {
    if (!options_.lowercase) return sink_.put(c, from);
    char32_t parts[kMaxLower];
    const int count = bert_lower(c, parts);
    for (int i = 0; i < count; ++i) sink_.put(parts[i], from);
  }

  const BertNormalizerOptions& options_;
  Sink& sink_;
  std::vector<Mark> waiting_;
  // Of the waiting marks that begin a decomposition; filled only if Sink::kRanges.
  std::vector<ByteRange> sources_;
  ByteRange last_{0, 0};
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

template <class Sink>
void BertNormalizer::normalize_into(std::string_view text, Sink& sink) const {
  Emitter<Sink> emitter(options_, sink);
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const size_t length = text.size();
  for (size_t i = 0; i < length;) {
    if (bytes[i] < 0x80) {
      // A run of ASCII is written in one go. A run that is dropped whole is no starter: the marks
      // around it are one run.
      while (i < length && bytes[i] < 0x80 && ascii_[bytes[i]] == kDropped) ++i;
      if (i == length || bytes[i] >= 0x80) continue;
      emitter.flush();
      size_t size = sink.text.size();
      size_t end = i;
      while (end < length && bytes[end] < 0x80) ++end;
      sink.text.resize(size + (end - i));
      char* const out = sink.text.data();
      for (; i < end; ++i) {
        const unsigned char mapped = ascii_[bytes[i]];
        out[size] = static_cast<char>(mapped);
        size += mapped != kDropped;
        if constexpr (Sink::kRanges) {
          if (mapped != kDropped) sink.ranges.push_back(byte_range(i, i + 1));
        }
      }
      sink.text.resize(size);
      continue;
    }
    const size_t begin = i;
    UChar32 decoded;
    U8_NEXT_OR_FFFD(bytes, i, length, decoded);
    const auto c = static_cast<char32_t>(decoded);
    const ByteRange from = byte_range(begin, i);
    if (options_.clean_text && is_bert_control(c)) continue;
    if (options_.clean_text && is_bert_space(c)) {
      emitter.emit(' ', from);
    } else if (options_.handle_chinese_chars && is_bert_chinese(c)) {
      emitter.emit(' ', from);
      emitter.emit(c, from);
      emitter.emit(' ', from);
    } else {
      emitter.emit(c, from);
    }
  }
  emitter.flush();
}

void BertNormalizer::normalize(std::string_view text, std::string& out) const {
  NormalizedText sink{out};
  normalize_into(text, sink);
}

void BertNormalizer::normalize(std::string_view text, std::string& out,
                               std::vector<ByteRange>& ranges) const {
  NormalizedRanges sink{out, ranges};
  normalize_into(text, sink);
}

}  // namespace lait
