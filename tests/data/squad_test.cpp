// SQuAD's reader: its documents, articles, paragraphs and questions, and where answers stand in
// texts that are not ASCII.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "tests/data/read_task.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using SquadTask = Tasks;

std::vector<std::string> answers_of(const Example& example) {
  std::vector<std::string> texts;
  for (const TextSpan& span : std::get<SpanLabel>(example.label).any_of) {
    EXPECT_EQ(span.segment, 1);
    texts.push_back(example.segments[1].substr(span.begin, span.end - span.begin));
  }
  return texts;
}

std::string document(const std::string& context, const std::string& questions) {
  return R"({"version": "v2.0", "data": [{"title": "T", "paragraphs": [{"context": ")" + context +
         R"(", "qas": [)" + questions + "]}]}]}";
}

TEST_F(SquadTask, EachQuestionOfADocumentIsAnExample) {
  // As version 2.0 writes it, on several lines.
  const auto examples =
      read("squad", write("dev.json",
                          "{\"version\": \"v2.0\",\n \"data\": [{\"title\": \"Normans\",\n"
                          "  \"paragraphs\": [{\"qas\": [\n"
                          R"({"id": "a", "question": "Where?", "is_impossible": false,
    "answers": [{"text": "in France", "answer_start": 5}, {"text": "France", "answer_start": 8},
                {"text": "France", "answer_start": 8}]},
   {"id": "b", "question": "Who?", "is_impossible": true, "answers": [],
    "plausible_answers": [{"text": "They", "answer_start": 0}]}],
   "context": "Live in France."},
  {"context": "Other.", "qas": [{"id": "c", "question": "What?", "answers": [)"
                          R"({"text": "Other", "answer_start": 0}]}]}]}]})"));
  ASSERT_EQ(examples.size(), 3u);
  EXPECT_THAT(examples[0].segments, ElementsAre("Where?", "Live in France."));
  EXPECT_THAT(answers_of(examples[0]), ElementsAre("in France", "France"));
  EXPECT_EQ(examples[0].id, "a");
  EXPECT_EQ(examples[0].query, "a");
  EXPECT_EQ(examples[1].label, Label(SpanLabel()));
  EXPECT_THAT(examples[2].segments, ElementsAre("What?", "Other."));
  EXPECT_EQ(counts_.bad_answers, 0);
}

TEST_F(SquadTask, ReadsLinesOfParagraphsAndQuestions) {
  // An article and a paragraph; COVID-QA's ids are numbers.
  const std::string paragraph =
      R"({"context": "A b.", "qas": [{"id": 7, "question": "q", "answers": [)"
      R"({"text": "b", "answer_start": 2}]}]})";
  const auto nested = read("squad", write("a.jsonl", R"({"title": "T", "paragraphs": [)" +
                                                         paragraph + "]}\n" + paragraph + "\n"));
  ASSERT_EQ(nested.size(), 2u);
  EXPECT_EQ(nested[0].id, "7");
  EXPECT_EQ(nested[0].label, nested[1].label);
  // Hugging Face's rows.
  const auto flat = read(
      "squad", write("b.jsonl", R"({"id": "x", "title": "T", "context": "A b.", "question": "q", )"
                                R"("answers": {"text": ["b", "A"], "answer_start": [2, 0]}})"
                                "\n"));
  EXPECT_THAT(answers_of(flat.at(0)), ElementsAre("b", "A"));
  // A document on one line, which standard input has too.
  const std::string one = document("A b.", R"({"id": "1", "question": "q", "answers": []})");
  EXPECT_EQ(read("squad", write("c.json", one)).size(), 1u);
  ExampleReader reader(find_task("squad"), LineReader(write("d.json", one)), {});
  EXPECT_THAT(reader.next()->segments, ElementsAre("q", "A b."));
}

// answer_start counts characters, as Python does.
TEST_F(SquadTask, OffsetsAreCharactersOfAnyScript) {
  const struct {
    std::string context, answer;
    int start;
  } cases[] = {{"I 😀 like 🍕 pizza", "🍕 pizza", 9},
               {"東京は日本の首都です。", "日本の首都", 3},
               {"cafe\u0301 au lait", "cafe\u0301", 0},
               {"cafe\u0301 au lait", "au", 6},
               {"\u0645\u0631\u062D\u0628\u0627 x", "x", 6}};
  for (const auto& [context, answer, start] : cases) {
    const std::string file =
        write("x.json",
              document(context, R"({"id": "1", "question": "q", "answers": [{"text": ")" + answer +
                                    R"(", "answer_start": )" + std::to_string(start) + "}]}"));
    EXPECT_THAT(answers_of(read("squad", file).at(0)), ElementsAre(answer)) << context;
    EXPECT_EQ(counts_.bad_answers, 0) << context;
  }
}

TEST_F(SquadTask, AnswersThatDoNotStandAtTheirOffsetsAreNamedAndCounted) {
  const std::string file =
      write("x.json",
            document("One two.",
                     R"({"id": "one", "question": "q", "answers": [)"
                     R"({"text": "two", "answer_start": 3}, {"text": "two", "answer_start": 4}]},)"
                     R"({"id": "far", "question": "q", "answers": [)"
                     R"({"text": "two", "answer_start": 400}]})"));
  const auto examples = read("squad", file);
  // The second question has an answer, but nobody knows where.
  ASSERT_EQ(examples.size(), 1u);
  EXPECT_THAT(answers_of(examples[0]), ElementsAre("two"));
  EXPECT_EQ(counts_.bad_answers, 2);
  EXPECT_EQ(counts_.unlabelled, 1);
  EXPECT_THAT(
      left_out(counts_),
      HasSubstr(", 2 answers left out that do not stand at their offsets (the first: " + file +
                ":1: question 'one': expected 'two' at character 3 of the passage, "
                "got ' tw')"));
}

TEST_F(SquadTask, NamesWhatIsMalformed) {
  expect_error("squad", R"({"question": "q", "context": "c"})", "expected the field \"answers\"");
  expect_error("squad", R"({"question": "q", "context": "c", "answers": ["x"]})",
               "expected \"answers\": a list of {\"text\": …, \"answer_start\": a whole number}");
  expect_error("squad", R"({"question": "q", "context": "c", "answers": {"text": ["c"]}})",
               "expected \"answers\"");
  expect_error("squad", R"({"data": [{"title": "T"}]})", "expected examples of task squad");
  expect_error("squad", R"({"context": "c", "qas": {}})", "expected a list in \"qas\", got object");
  expect_error("squad", R"({"qas": []})", "expected a paragraph's text in \"context\"");
  expect_error("squad", "{\"data\": [\n", "expected JSON");
  const std::string deep(100, '[');
  expect_error("squad", "{\"data\":\n" + deep + std::string(100, ']') + "}", "at most 64 levels");
}

TEST_F(SquadTask, TheRealFileHasItsCounts) {
  const char* data = std::getenv("LAIT_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "LAIT_TEST_DATA names the folder of real data";
  const auto examples = read("squad", std::string(data) + "/squad/dev-v2.0-half.json.gz");
  EXPECT_EQ(examples.size(), 6078u);
  std::set<std::string> passages, ids;
  int64_t without = 0;
  for (const Example& example : examples) {
    passages.insert(example.segments[1]);
    ids.insert(example.id);
    without += std::get<SpanLabel>(example.label).any_of.empty();
  }
  EXPECT_EQ(passages.size(), 646u);
  EXPECT_EQ(ids.size(), 6078u);
  EXPECT_EQ(without, 3168);
  EXPECT_EQ(counts_.bad_answers, 0);
}

}  // namespace
}  // namespace lait
