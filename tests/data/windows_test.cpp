// Windows of long passages: their laws, the examples that they become, and where answers stand in
// them.
#include "lait/data/windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "lait/data/dataset.h"
#include "lait/data/dataset_builder.h"
#include "lait/data/token_file.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/letters_tokenizer.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TokenizeOptions options_of(SegmentFormat format, int64_t max_tokens, int64_t overlap) {
  return {.layout = letters_layout(),
          .format = format,
          .max_tokens = max_tokens,
          .window_overlap = overlap};
}

Example question(const std::string& text, const std::string& passage,
                 const std::vector<TextSpan>& answers = {}) {
  return {.segments = {text, passage}, .label = SpanLabel{answers}};
}

std::string text_of(std::span<const int32_t> tokens) { return {tokens.begin(), tokens.end()}; }

TEST(Windows, CoverThePassageWithTheirOverlap) {
  for (const int64_t tokens : {0, 1, 17, 64, 97, 1025}) {
    for (const int64_t room : {1, 2, 17, 64, 2000}) {
      for (const int64_t overlap : {0, 1, 8, 500}) {
        const auto windows = token_windows(tokens, room, overlap);
        const int64_t shared = std::min(overlap, room / 2);
        ASSERT_FALSE(windows.empty());
        EXPECT_EQ(windows.front().first, 0);
        EXPECT_EQ(windows.back().first + windows.back().size, tokens);
        for (size_t w = 0; w < windows.size(); ++w) {
          EXPECT_LE(windows[w].size, room);
          if (w == 0) continue;
          const TokenWindow& before = windows[w - 1];
          EXPECT_EQ(before.size, room);
          EXPECT_EQ(before.first + before.size - windows[w].first, shared);
        }
        // A span of at most shared + 1 tokens lies whole in a window.
        const int64_t length = std::min(shared + 1, tokens);
        for (int64_t first = 0; first + length <= tokens; ++first) {
          EXPECT_TRUE(std::ranges::any_of(windows, [&](const TokenWindow& w) {
            return w.first <= first && first + length <= w.first + w.size;
          }));
        }
      }
    }
  }
}

TEST(Windows, AreSharedByThePassagesQuestions) {
  const std::string passage = "abcdefghijklmnopqrst";
  const std::vector<Example> examples{question("Q", passage), question("longer", passage),
                                      question("Q", "short")};
  const LettersTokenizer tokenizer;
  const Dataset dataset(examples, tokenizer,
                        options_of(SegmentFormat::kStandalone, /*max_tokens=*/10, /*overlap=*/2));
  // 8 tokens of text: [0, 8), [6, 14), [12, 20).
  ASSERT_EQ(dataset.size(), 7);
  EXPECT_EQ(dataset.num_questions(), 3);
  EXPECT_EQ(dataset.num_sequences(), 2 + 3 + 1);
  const std::vector<int32_t> questions{0, 0, 0, 1, 1, 1, 2}, firsts{0, 6, 12, 0, 6, 12, 0};
  for (int64_t i = 0; i < dataset.size(); ++i) {
    EXPECT_EQ(dataset.window(i).question, questions[i]);
    EXPECT_EQ(dataset.window(i).first_token, firsts[i]);
    const auto sequences = dataset.example(i).sequences;
    ASSERT_EQ(sequences.size(), 2u);
    const Window& window = dataset.window(i);
    EXPECT_EQ(
        text_of(dataset.tokens(sequences[1])),
        "\1" + examples[window.question].segments[1].substr(window.first_token, window.num_tokens) +
            "\2");
    EXPECT_EQ(text_of(dataset.tokens(sequences[0])),
              "\1" + examples[window.question].segments[0] + "\2");
    EXPECT_EQ(dataset.passage_text(window.passage), examples[window.question].segments[1]);
  }
  EXPECT_EQ(dataset.example(1).sequences[1], dataset.example(4).sequences[1]);
  EXPECT_EQ(dataset.example(0).passage, dataset.example(5).passage);
}

TEST(Windows, OfAPairHaveTheRoomThatTheQuestionLeaves) {
  const std::string passage = "abcdefghij";
  const LettersTokenizer tokenizer;
  const Dataset dataset(std::vector{question("Q", passage), question("long one", passage)},
                        tokenizer, options_of(SegmentFormat::kPair, 11, 2));
  // 8 tokens of both texts; a question keeps at most 4.
  ASSERT_EQ(dataset.size(), 2 + 4);
  const auto texts = [&](int64_t i) {
    return text_of(dataset.tokens(dataset.example(i).sequences[0]));
  };
  EXPECT_EQ(texts(0), "\1Q\2abcdefg\2");
  EXPECT_EQ(texts(1), "\1Q\2fghij\2");
  EXPECT_EQ(texts(2), "\1long\2abcd\2");
  EXPECT_EQ(texts(5), "\1long\2ghij\2");
  EXPECT_EQ(dataset.first_segment_length(dataset.example(2).sequences[0]), 6);
  EXPECT_TRUE(dataset.example(0).truncated.empty());
  EXPECT_THAT(dataset.example(2).truncated, ElementsAre(0));
}

TEST(Windows, LabelsAreTokensOfTheWindowsThatHaveTheAnswer) {
  const LettersTokenizer tokenizer;
  // [0, 8), [6, 14), [12, 20): "gh" lies in two of them, "hijklmn" in one.
  const std::vector<Example> examples{
      question("Q", "abcdefghijklmnopqrst", {{1, 6, 8}, {1, 7, 14}, {1, 0, 20}}),
      question("Q", "abc"),
      {.segments = {"Q", "abc"}}};
  for (const SegmentFormat format : {SegmentFormat::kStandalone, SegmentFormat::kPair}) {
    const Dataset dataset(examples, tokenizer,
                          options_of(format, format == SegmentFormat::kPair ? 12 : 10, 2));
    ASSERT_EQ(dataset.size(), 5);
    EXPECT_EQ(dataset.example(0).label, Label(SpanLabel{{{1, 6, 8}}}));
    EXPECT_EQ(dataset.example(1).label, Label(SpanLabel{{{1, 0, 2}, {1, 1, 8}}}));
    EXPECT_EQ(dataset.example(2).label, Label(SpanLabel{}));
    EXPECT_EQ(dataset.example(3).label, Label(SpanLabel{}));
    EXPECT_EQ(dataset.example(4).label, Label(NoLabel{}));
    EXPECT_EQ(dataset.answers(0).size(), 3u);
    EXPECT_EQ(dataset.answers(0)[1], (ByteRange{7, 14}));
    EXPECT_TRUE(dataset.answers(1).empty());
  }
}

TEST(Windows, DependNotOnTheParts) {
  std::mt19937 random(7);
  std::vector<Example> examples;
  for (int i = 0; i < 300; ++i) {
    const std::string passage(random() % 40, static_cast<char>('a' + random() % 5));
    examples.push_back(question(std::string(random() % 9, 'Q'), passage));
    if (passage.size() > 3) examples.back().label = SpanLabel{{{1, 1, 3}}};
  }
  const LettersTokenizer tokenizer;
  const TokenizeOptions options = options_of(SegmentFormat::kStandalone, 12, 3);
  const Dataset whole(examples, tokenizer, options);
  DatasetBuilder builder(tokenizer, options, /*threads=*/2);
  builder.add(std::span(examples).first(123));
  builder.add(std::span(examples).subspan(123));
  EXPECT_EQ(Dataset(builder.take(), options).checksum(), whole.checksum());

  // A mapped file has them too.
  const TemporaryFolder folder;
  DatasetBuilder again(tokenizer, options, 1);
  again.add(examples);
  TokenFileWriter file(folder / "tokens", {1, 2});
  file.finish(*again.take(), "facts");
  file.commit();
  const auto mapped = open_token_file(folder / "tokens", {1, 2}, options);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->dataset.checksum(), whole.checksum());
  EXPECT_EQ(mapped->dataset.passage_text(3), whole.passage_text(3));
}

TEST(Windows, AQuestionThatIsTooLongIsAnError) {
  const LettersTokenizer tokenizer;
  TokenizeOptions options = options_of(SegmentFormat::kStandalone, 8, 2);
  options.on_overflow = OnOverflow::kError;
  const std::vector<Example> examples{question("Q", "a passage in windows"),
                                      question("a long question", "b")};
  try {
    const Dataset dataset(examples, tokenizer, options);
    ADD_FAILURE() << "expected an error";
  } catch (const TooLong& error) {
    EXPECT_EQ(error.example, 1u);
    EXPECT_THAT(error.what(), HasSubstr("expected at most 8 tokens, got 17"));
  }
  options.max_tokens = 3;
  options.format = SegmentFormat::kPair;
  EXPECT_THAT(error_of([&] { Dataset(examples, tokenizer, options); }),
              HasSubstr("data.max_segment_tokens: expected at least 4"));
}

}  // namespace
}  // namespace lait
