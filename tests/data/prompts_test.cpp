// A family with prompts: the order of its input, the texts before segments, and a pair as one text.
// The strings are those that T5's published preprocessors (t5.data.preprocessors: glue, stsb) make.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/data/task.h"
#include "lait/data/token_sequences.h"
#include "tests/data/letters_tokenizer.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TokenizeOptions options_of(const char* task, SegmentFormat format, int64_t max_tokens = 500) {
  TokenizeOptions options;
  options.layout = {.suffix = {1}, .joins_texts = true, .uses_prompts = true};
  options.format = format;
  options.max_tokens = max_tokens;
  options.prompts = find_task(task).prompts().parts;
  return options;
}

std::string text_of(const Sequence& sequence) {
  return {sequence.tokens.begin(), sequence.tokens.end()};
}

std::string pair_text(const char* task, const std::vector<std::string>& segments) {
  const Example example{.segments = segments};
  return text_of(
      sequences_of(example, LettersTokenizer(), options_of(task, SegmentFormat::kPair)).front());
}

TEST(Prompts, PairsAreTheTextsThatT5WasTrainedOn) {
  EXPECT_EQ(pair_text("mnli", {"A cat.", "An animal."}),
            "mnli hypothesis: An animal. premise: A cat.\1");
  EXPECT_EQ(pair_text("rte", {"A cat.", "An animal."}),
            "rte sentence1: A cat. sentence2: An animal.\1");
  EXPECT_EQ(pair_text("qnli", {"Who?", "He."}), "qnli question: Who? sentence: He.\1");
  EXPECT_EQ(pair_text("mrpc", {"A", "B"}), "mrpc sentence1: A sentence2: B\1");
  EXPECT_EQ(pair_text("qqp", {"A", "B"}), "qqp question1: A question2: B\1");
  EXPECT_EQ(pair_text("stsb", {"A", "B"}), "stsb sentence1: A sentence2: B\1");
  EXPECT_EQ(pair_text("boolq", {"is it", "It is."}), "boolq passage: It is. question: is it\1");
  EXPECT_EQ(pair_text("multirc", {"P", "Q", "A"}), "multirc question: Q answer: A paragraph: P\1");
  // T5's preprocessor removes MultiRC's markup.
  EXPECT_EQ(pair_text("multirc", {"<b>Sent 1: </b>P<br>p<i>", "<b>Q", "A</b>"}),
            "multirc question: Q answer: A paragraph: Sent 1: P p<i>\1");
}

TEST(Prompts, EachSegmentEndsForItself) {
  const auto sequences = sequences_of({.segments = {"A cat.", "An animal."}}, LettersTokenizer(),
                                      options_of("mnli", SegmentFormat::kStandalone));
  ASSERT_EQ(sequences.size(), 2u);
  EXPECT_EQ(text_of(sequences[0]), "mnli hypothesis: An animal.\1");
  EXPECT_EQ(text_of(sequences[1]), "premise: A cat.\1");
}

// The segments that lost tokens are named as the task numbers them.
TEST(Prompts, TruncationCutsTheTextsEnd) {
  const Example example{.segments = {"A cat.", "An animal."}};
  const auto pair = [&](int64_t max_tokens) {
    return sequences_of(example, LettersTokenizer(),
                        options_of("mnli", SegmentFormat::kPair, max_tokens))
        .front();
  };
  const Sequence whole = pair(500);
  EXPECT_THAT(whole.truncated, IsEmpty());
  EXPECT_EQ(whole.first_length, std::ssize(std::string("mnli hypothesis: An animal.")));
  const Sequence cut = pair(whole.full_length - 2);
  EXPECT_EQ(text_of(cut), "mnli hypothesis: An animal. premise: A ca\1");
  EXPECT_EQ(cut.full_length, whole.full_length);
  EXPECT_THAT(cut.truncated, ElementsAre(0));
  const Sequence short_one = pair(10);
  EXPECT_EQ(text_of(short_one), "mnli hypo\1");
  EXPECT_THAT(short_one.truncated, ElementsAre(1, 0));
  EXPECT_EQ(short_one.first_length, 10);
  const auto standalone =
      sequences_of(example, LettersTokenizer(), options_of("mnli", SegmentFormat::kStandalone, 20));
  EXPECT_THAT(standalone[0].truncated, ElementsAre(1));
  EXPECT_THAT(standalone[1].truncated, IsEmpty());
}

TEST(Prompts, OtherFamiliesAndOtherNumbersOfSegmentsHaveNone) {
  TokenizeOptions options = options_of("mnli", SegmentFormat::kStandalone);
  const Example three{.segments = {"A", "B", "C"}};
  EXPECT_EQ(text_of(sequences_of(three, LettersTokenizer(), options)[0]), "A\1");
  options.layout.uses_prompts = false;
  EXPECT_EQ(text_of(sequences_of({.segments = {"A", "B"}}, LettersTokenizer(), options)[0]), "A\1");
}

TEST(Prompts, NameEachSegmentOnceAndEachLabel) {
  for (const Task* task : all_tasks()) {
    const Prompts prompts = task->prompts();
    std::vector<int32_t> named;
    for (const Prompts::Part& part : prompts.parts) named.push_back(part.segment);
    std::ranges::sort(named);
    const std::vector<std::string> segments = task->segment_names();
    for (size_t i = 0; i < named.size(); ++i) EXPECT_EQ(named[i], static_cast<int32_t>(i));
    if (!segments.empty() && !named.empty()) {
      EXPECT_EQ(named.size(), segments.size()) << task->name();
    }
    if (!prompts.labels.empty()) {
      EXPECT_EQ(prompts.labels.size(), task->labels().size()) << task->name();
    }
  }
}

}  // namespace
}  // namespace lait
