// Answers: the best span of a question's windows, cut from the passage's text.
#include "lait/predict/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/letters_tokenizer.h"

namespace lait {
namespace {

// Tokens are bytes; windows have 8 of them, which overlap by 2.
Dataset windows_of(const std::vector<std::string>& passages) {
  std::vector<Example> examples;
  for (const std::string& passage : passages) examples.push_back({.segments = {"q", passage}});
  const LettersTokenizer tokenizer;
  return Dataset(examples, tokenizer,
                 {.layout = letters_layout(), .max_tokens = 10, .window_overlap = 2});
}

Prediction span(int64_t begin, int64_t end, double score, double no_answer) {
  return {.span =
              SpanPrediction{.begin = begin, .end = end, .score = score, .no_answer = no_answer}};
}

TEST(Answers, AreTheBestSpanOfAllWindows) {
  const std::string passage = "abcdefghijklmnopqrst";
  const Dataset dataset = windows_of({passage, "xyz", ""});
  ASSERT_EQ(dataset.size(), 5);
  const std::vector<Prediction> predictions{span(0, 3, 1, 9), span(1, 4, 7, 5), span(0, 1, 2, 6),
                                            span(1, 2, -1, -3), Prediction{}};
  const auto answers = find_answers(predictions, dataset);
  ASSERT_EQ(answers.size(), 3u);
  // The second window begins at token 6.
  EXPECT_EQ(answers[0].text, "hij");
  EXPECT_EQ(answers[0].begin, 7);
  EXPECT_EQ(answers[0].end, 10);
  EXPECT_EQ(answers[0].score, 7);
  // The lowest score of "no answer", of any window, against the best span's.
  EXPECT_EQ(answers[0].no_answer, 5 - 7);
  EXPECT_FALSE(answers[0].is_none(-2));
  EXPECT_TRUE(answers[0].is_none(-2.5));
  EXPECT_EQ(answers[1].text, "y");
  EXPECT_EQ(answers[1].no_answer, -3 + 1);
  EXPECT_TRUE(answers[2].is_none(1e9));
  EXPECT_EQ(answers[2].text, "");
}

TEST(Answers, AreCutFromTheText) {
  // 😀 has 4 bytes, the combining acute accent 2, each character of 東京 3.
  const std::string passage = "e\u0301 \U0001F600";
  const Dataset dataset = windows_of({passage});
  const auto whole = find_answers(std::vector{span(0, 8, 1, 0)}, dataset);
  EXPECT_EQ(whole[0].text, passage);
  // A tokenizer that leaves the accent out ends at the letter; the answer keeps the accent.
  const auto letter = find_answers(std::vector{span(0, 1, 1, 0)}, dataset);
  EXPECT_EQ(letter[0].text, "e\u0301");
  EXPECT_EQ(letter[0].end, 3);
  EXPECT_EQ(character_of(passage, 0), 0);
  EXPECT_EQ(character_of(passage, 3), 2);
  EXPECT_EQ(character_of(passage, 4), 3);
  EXPECT_EQ(character_of(passage, 8), 4);
  EXPECT_EQ(character_of("東京x", 6), 2);
}

}  // namespace
}  // namespace lait
