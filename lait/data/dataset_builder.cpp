#include "lait/data/dataset_builder.h"

#include <algorithm>
#include <string>
#include <utility>

#include "lait/base/parallel.h"
#include "lait/data/dataset.h"
#include "lait/data/label_bytes.h"

namespace lait {
namespace {

// Examples that are tokenized before they are numbered, and those of one call of a thread.
constexpr size_t kExamplesAtOnce = 4096, kExamplesOfACall = 64;

Digest digest_of(const Sequence& sequence) {
  ContentHash hash;
  hash.add(sequence.tokens.data(), sequence.tokens.size() * sizeof(int32_t));
  hash.add_number(sequence.first_length);
  return hash.digest();
}

Digest digest_of(const std::vector<std::string>& texts) {
  ContentHash hash;
  for (const std::string& text : texts) hash.add_text(text);
  return hash.digest();
}

// The number of a name; -1: it is empty.
int32_t number_of(DistinctContents& names, const std::string& name) {
  return name.empty() ? -1 : names.find_or_add(digest_of(std::vector{name}));
}

template <class T>
void append_values(Lists<Owned, T>& lists, std::span<const T> values) {
  lists.values.insert(lists.values.end(), values.begin(), values.end());
}
// What was appended since the last call is the next item's.
template <class T>
void end_item(Lists<Owned, T>& lists) {
  lists.begins.push_back(std::ssize(lists.values));
}

std::string too_long(const Sequence& sequence, int64_t max_tokens) {
  return "expected at most " + std::to_string(max_tokens) + " tokens, got " +
         std::to_string(sequence.full_length) +
         "; shorten it, raise data.max_segment_tokens, or set data.on_overflow: truncate (of a "
         "checkpoint: in its lait.yaml)";
}

}  // namespace

int32_t DistinctContents::find_or_add(const Digest& digest) {
  const size_t mask = places_.size() - 1;
  size_t place = digest.low & mask;
  for (; places_[place] >= 0; place = (place + 1) & mask) {
    if (digests_[static_cast<size_t>(places_[place])] == digest) return places_[place];
  }
  const auto number = static_cast<int32_t>(digests_.size());
  places_[place] = number;
  digests_.push_back(digest);
  if (2 * digests_.size() > places_.size()) grow();
  return number;
}

void DistinctContents::grow() {
  places_.assign(2 * places_.size(), -1);
  const size_t mask = places_.size() - 1;
  for (size_t number = 0; number < digests_.size(); ++number) {
    size_t place = digests_[number].low & mask;
    while (places_[place] >= 0) place = (place + 1) & mask;
    places_[place] = static_cast<int32_t>(number);
  }
}

// What the threads make of an example.
struct DatasetBuilder::Tokenized {
  std::vector<Sequence> sequences;
  std::vector<Digest> digests;  // of the sequences
  uint64_t text = 0;
  // Of windows, if options say so.
  std::vector<TokenWindow> windows;
  std::vector<ByteRange> tokens;
  Digest passage;
};

DatasetBuilder::DatasetBuilder(const Tokenizer& tokenizer, const TokenizeOptions& options,
                               int threads)
    : tokenizer_(tokenizer), options_(options), threads_(threads) {
  check_room(options);
  arrays_->tokens.begins = arrays_->sequences.begins = arrays_->groups.begins =
      arrays_->truncated.begins = arrays_->labels.begins = arrays_->answers.begins =
          arrays_->passage_texts.begins = arrays_->passage_tokens.begins = {0};
}

void DatasetBuilder::add(std::span<const Example> examples,
                         const std::function<void()>& meanwhile) {
  std::vector<Tokenized> made(std::min(examples.size(), kExamplesAtOnce));
  size_t begin = 0;
  do {
    const std::span<const Example> part =
        examples.subspan(begin, std::min(kExamplesAtOnce, examples.size() - begin));
    const int64_t first = begin == 0 && meanwhile ? 1 : 0;
    const auto calls =
        static_cast<int64_t>((part.size() + kExamplesOfACall - 1) / kExamplesOfACall);
    for_each_on(threads_, first + calls, [&](int64_t call) {
      if (call < first) return meanwhile();
      const size_t from = static_cast<size_t>(call - first) * kExamplesOfACall;
      Windower windower(tokenizer_, options_);
      for (size_t e = from; e < std::min(part.size(), from + kExamplesOfACall); ++e) {
        Tokenized& out = made[e];
        if (options_.window_overlap) {
          WindowedExample windowed = windower.windows_of(part[e]);
          out.sequences = std::move(windowed.sequences);
          out.windows = std::move(windowed.windows);
          out.tokens = std::move(windowed.tokens);
          out.passage = digest_of(std::vector{part[e].segments.back()});
        } else {
          out.sequences = sequences_of(part[e], tokenizer_, options_);
        }
        out.digests.clear();
        for (const Sequence& sequence : out.sequences) out.digests.push_back(digest_of(sequence));
        out.text = digest_of(part[e].segments).low;
      }
    });
    for (size_t e = 0; e < part.size(); ++e) {
      for (const Sequence& sequence : made[e].sequences) {
        if (options_.on_overflow == OnOverflow::kError &&
            sequence.full_length > options_.max_tokens) {
          throw TooLong(example_name(examples, begin + e), num_examples_,
                        too_long(sequence, options_.max_tokens));
        }
      }
      options_.window_overlap ? append_windows(part[e], made[e]) : append(part[e], made[e]);
      ++num_examples_;
    }
    begin += part.size();
  } while (begin < examples.size());
}

int32_t DatasetBuilder::add_sequence(const Sequence& sequence, const Digest& digest) {
  TokenArrays<Owned>& out = *arrays_;
  const auto next = static_cast<int32_t>(sequences_.size());
  const int32_t found = sequences_.find_or_add(digest);
  if (found != next) return found;
  append_values<int32_t>(out.tokens, sequence.tokens);
  // Not end_item: some of the tokens may have been taken.
  out.tokens.begins.push_back(out.tokens.begins.back() + std::ssize(sequence.tokens));
  out.first_lengths.push_back(sequence.first_length);
  out.sequence_texts.push_back({.hash = sequence.text.value_or(digest),
                                .lost_tokens = sequence.truncated.empty() ? 0U : 1U});
  return found;
}

void DatasetBuilder::end_example(const Example& example, const Label& label,
                                 const Tokenized& tokenized) {
  TokenArrays<Owned>& out = *arrays_;
  append_label(out.labels.values, label);
  end_item(out.sequences);
  end_item(out.truncated);
  end_item(out.groups);
  end_item(out.labels);
  out.queries.push_back(number_of(queries_, example.query));
  out.texts.push_back(tokenized.text);
}

void DatasetBuilder::append(const Example& example, const Tokenized& tokenized) {
  TokenArrays<Owned>& out = *arrays_;
  for (size_t s = 0; s < tokenized.sequences.size(); ++s) {
    const Sequence& sequence = tokenized.sequences[s];
    out.sequences.values.push_back(add_sequence(sequence, tokenized.digests[s]));
    // By example: sequences can be equal only because they were truncated.
    append_values<int32_t>(out.truncated, sequence.truncated);
  }
  if (options_.format != SegmentFormat::kPair) append_values<int32_t>(out.groups, example.groups);
  end_example(example, example.label, tokenized);
  out.passages.push_back(number_of(passages_, example.passage));
}

void DatasetBuilder::append_windows(const Example& example, const Tokenized& tokenized) {
  TokenArrays<Owned>& out = *arrays_;
  const auto* known = std::get_if<SpanLabel>(&example.label);
  const auto question = static_cast<int32_t>(out.answers.size());
  const auto next = static_cast<int32_t>(passage_texts_.size());
  const int32_t passage = passage_texts_.find_or_add(tokenized.passage);
  if (passage == next) {
    append_values<char>(out.passage_texts, example.segments.back());
    append_values<ByteRange>(out.passage_tokens, tokenized.tokens);
    end_item(out.passage_texts);
    end_item(out.passage_tokens);
  }
  std::vector<ByteRange> answers;
  for (const TextSpan& span : known != nullptr ? known->any_of : std::vector<TextSpan>())
    answers.push_back({static_cast<int32_t>(span.begin), static_cast<int32_t>(span.end)});
  append_values<ByteRange>(out.answers, answers);
  end_item(out.answers);
  const bool pair = options_.format == SegmentFormat::kPair;
  for (size_t w = 0; w < tokenized.windows.size(); ++w) {
    const TokenWindow& window = tokenized.windows[w];
    const std::vector<size_t> of_window = pair ? std::vector{w} : std::vector{size_t{0}, w + 1};
    for (const size_t s : of_window) {
      out.sequences.values.push_back(add_sequence(tokenized.sequences[s], tokenized.digests[s]));
      append_values<int32_t>(out.truncated, tokenized.sequences[s].truncated);
    }
    SpanLabel in_window;
    for (const ByteRange& answer : answers) {
      const TokenWindow found = tokens_in_window(answer, tokenized.tokens, window);
      if (found.size > 0)
        in_window.any_of.push_back({static_cast<int32_t>(example.segments.size()) - 1, found.first,
                                    found.first + found.size});
    }
    end_example(example, known != nullptr ? Label(in_window) : Label(NoLabel()), tokenized);
    out.passages.push_back(passage);
    out.windows.push_back(
        {question, passage, static_cast<int32_t>(window.first), static_cast<int32_t>(window.size)});
  }
}

std::vector<int32_t> DatasetBuilder::take_tokens() {
  return std::exchange(arrays_->tokens.values, {});
}

void DatasetBuilder::number_classes(std::span<const int64_t> numbers) {
  Lists<Owned, std::byte>& labels = arrays_->labels;
  for (int64_t i = 0; i < labels.size(); ++i) {
    const Label label = read_label(labels[i]);
    const auto* known = std::get_if<ClassLabel>(&label);
    if (known == nullptr) continue;
    std::vector<std::byte> bytes;
    append_label(bytes, ClassLabel{numbers[static_cast<size_t>(known->index)]});
    std::ranges::copy(bytes, labels.values.begin() + labels.begins[i]);
  }
}

}  // namespace lait
