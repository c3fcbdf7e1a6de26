// BoolQ (Clark et al. 2019): a yes/no question and a passage. The original JSON lines {"question",
// "passage", "answer"} or SuperGLUE's {"question", "passage", "label"}. The answer is true or
// false; some copies have "True", "yes", 1 and so on.
//
// boolq_split cuts the passage at sentence ends into up to five segments of similar length, which
// form a group of their own: a schedule may have a stage in which the pieces of a passage see each
// other, but not the question. No text is lost but blanks between pieces.
#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include <cmath>

#include "lait/base/error.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

class BoolQ : public Task {
 public:
  std::string name() const override { return "boolq"; }
  std::vector<std::string> segment_names() const override { return {"question", "passage"}; }
  std::vector<std::string> labels() const override { return {"no", "yes"}; }
  LabelMap label_aliases() const override { return {{"false", "no"}, {"true", "yes"}}; }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy"}; }
  std::string formats() const override {
    return "JSON lines, TSV or CSV with question, passage and label or answer, true or false";
  }
  FieldNames fields() const override {
    return {.segments = {{"question"}, {"passage"}}, .label = {"answer", "label"}};
  }
  Prompts prompts() const override {
    return {.parts = {{1, "boolq passage: "}, {0, "question: "}}, .labels = {"False", "True"}};
  }
};

constexpr size_t kMostPieces = 5;

// The byte offsets at which sentences end; the last is the text's end.
std::vector<size_t> sentence_ends(const std::string& text) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> sentences(
      icu::BreakIterator::createSentenceInstance(icu::Locale::getEnglish(), status));
  const std::unique_ptr<UText, decltype(&utext_close)> content(
      utext_openUTF8(nullptr, text.data(), static_cast<int64_t>(text.size()), &status),
      &utext_close);
  if (U_SUCCESS(status)) sentences->setText(content.get(), status);
  if (U_FAILURE(status))
    throw UserError(std::string("ICU finds no sentences: ") + u_errorName(status));
  std::vector<size_t> ends;
  sentences->first();
  for (int32_t end = sentences->next(); end != icu::BreakIterator::DONE; end = sentences->next())
    ends.push_back(static_cast<size_t>(end));
  return ends;
}

// The text in at most kMostPieces pieces, cut where sentences end, nearest to equal lengths.
std::vector<std::string> pieces_of(const std::string& text) {
  const std::vector<size_t> ends = sentence_ends(text);
  const size_t count = std::min(kMostPieces, ends.size());
  std::vector<std::string> pieces;
  size_t begin = 0, next = 0;  // the first byte and the first sentence of the next piece
  for (size_t k = 1; k <= count; ++k) {
    size_t last = k < count ? next : ends.size() - 1;
    const double aim = static_cast<double>(text.size() * k) / static_cast<double>(count);
    const auto distance = [&](size_t i) { return std::abs(static_cast<double>(ends[i]) - aim); };
    // Each later piece needs a sentence.
    while (k < count && last + 1 + (count - k) < ends.size() && distance(last + 1) < distance(last))
      ++last;
    const std::string_view piece =
        trimmed(std::string_view(text).substr(begin, ends[last] - begin));
    if (!piece.empty()) pieces.emplace_back(piece);
    begin = ends[last];
    next = last + 1;
  }
  if (pieces.empty()) pieces.emplace_back();
  return pieces;
}

class BoolQSplit : public BoolQ {
 public:
  std::string name() const override { return "boolq_split"; }
  std::vector<std::string> segment_names() const override { return {}; }
  bool any_number_of_segments() const override { return true; }
  bool takes_columns() const override { return false; }
  std::vector<Record> examples_of(Record record, const TextTable* texts) const override {
    if (record.find("segments") != nullptr) return Task::examples_of(std::move(record), texts);
    auto segments = Record::Json::array({record.text("question")}),
         groups = Record::Json::array({0});
    for (std::string& piece : pieces_of(record.text("passage"))) {
      segments.push_back(std::move(piece));
      groups.push_back(1);
    }
    Record::Json example{{"segments", std::move(segments)}, {"groups", std::move(groups)}};
    record.for_each([&](const std::string& name, const Record::Json& value) {
      if (name != "question" && name != "passage") example[name] = value;
    });
    return records(std::move(example));
  }
};

}  // namespace

const Task& boolq_split_task() {
  static const BoolQSplit task;
  return task;
}

const Task& boolq_task() {
  static const BoolQ task;
  return task;
}

}  // namespace lait
