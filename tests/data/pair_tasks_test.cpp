// The readers of tasks whose records are examples, as they are or nearly so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/read_task.h"

namespace lait {
namespace {

using testing::ElementsAre;

using PairTasks = Tasks;

TEST_F(PairTasks, AnliReadsItsOwnNames) {
  const auto examples =
      read("anli", write("a", R"({"uid": "u1", "context": "p", "hypothesis": "h", "label": "c"})"
                              "\n"
                              R"({"uid": "u2", "premise": "p", "hypothesis": "h", "label": 1})"
                              "\n"));
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_THAT(examples[0].segments, ElementsAre("p", "h"));
  EXPECT_EQ(examples[0].label, Label(ClassLabel{2}));
  EXPECT_EQ(examples[0].id, "u1");
  EXPECT_EQ(examples[1].label, Label(ClassLabel{1}));
}

TEST_F(PairTasks, GluesTablesHaveQuotesAsText) {
  const auto qnli = read(
      "qnli", write("q", "index\tquestion\tsentence\tlabel\n5\tWho?\tA \"man\"\tentailment\n"));
  EXPECT_THAT(qnli.at(0).segments, ElementsAre("Who?", "A \"man\""));
  EXPECT_EQ(qnli[0].id, "5");
  const auto mrpc = read("mrpc", write("m",
                                       "\xEF\xBB\xBFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
                                       "1\t70\t71\tHe said \"no\".\tNo, he said.\n"));
  EXPECT_THAT(mrpc.at(0).segments, ElementsAre("He said \"no\".", "No, he said."));
  EXPECT_EQ(mrpc[0].label, Label(ClassLabel{1}));
  const auto paws = read("paws", write("p", "id\tsentence1\tsentence2\tlabel\n1\ta\tb\t0\n"));
  EXPECT_EQ(paws.at(0).label, Label(ClassLabel{0}));
  const auto glue = read(
      "qqp", write("g", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tq\tr\t1\n"));
  EXPECT_EQ(glue.at(0).label, Label(ClassLabel{1}));
  const auto quora =
      read("qqp", write("k",
                        "\"id\",\"qid1\",\"qid2\",\"question1\",\"question2\",\"is_duplicate\"\n"
                        "\"0\",\"1\",\"2\",\"What, \"\"why\"\"?\",\"r\",\"0\"\n"));
  EXPECT_THAT(quora.at(0).segments, ElementsAre("What, \"why\"?", "r"));
  // As Quora has it.
  const auto tabs = read("qqp", write("t",
                                      "\"id\"\t\"qid1\"\t\"qid2\"\t\"question1\"\t\"question2\"\t"
                                      "\"is_duplicate\"\n\"0\"\t\"1\"\t\"2\"\t\"\"\"why\"\"?\"\t"
                                      "\"r\"\t\"1\"\n"));
  EXPECT_THAT(tabs.at(0).segments, ElementsAre("\"why\"?", "r"));
}

TEST_F(PairTasks, SickHasRelatednessToo) {
  const auto examples =
      read("sick_relatedness", write("s",
                                     "pair_ID\tsentence_A\tsentence_B\trelatedness_score\t"
                                     "entailment_judgment\n7\ta\tb\t4.5\tNEUTRAL\n"));
  EXPECT_EQ(examples.at(0).label, Label(NumberLabel{4.5}));
  expect_error("sick_relatedness",
               "pair_ID\tsentence_A\tsentence_B\trelatedness_score\n7\ta\tb\t0.5\n",
               ":2: expected a score from 1 to 5, got '0.5'");
}

TEST_F(PairTasks, WicPutsTheWordBeforeEachSentenceAndCarriesItsPlace) {
  const std::string file = write(
      "w", R"({"word": "place", "sentence1": "My place.", "sentence2": "No place.", "idx": 3, )"
           R"("label": true, "start1": 3, "end1": 8, "start2": 3, "end2": 8})"
           "\n");
  ExampleReader reader(find_task("wic"), LineReader(std::filesystem::path(file)), {});
  Record::Json others;
  const auto example = reader.next(&others);
  ASSERT_TRUE(example);
  EXPECT_THAT(example->segments, ElementsAre("place: My place.", "place: No place."));
  EXPECT_EQ(example->label, Label(ClassLabel{1}));
  EXPECT_EQ(example->id, "3");
  EXPECT_EQ(others["start1"], 3);
  EXPECT_EQ(others["end2"], 8);
  expect_error("wic", R"({"sentence1": "a", "sentence2": "b", "label": true})",
               ":1: expected the field \"word\", got none");
}

TEST_F(PairTasks, BoolQSplitCutsThePassageAtSentenceEnds) {
  const auto read_passage = [&](const std::string& passage) {
    return read("boolq_split", write("b", R"({"question": "is it", "answer": true, "passage": ")" +
                                              passage + "\"}\n"))
        .at(0);
  };
  const Example three = read_passage("One. Two is longer. Three!");
  EXPECT_THAT(three.segments, ElementsAre("is it", "One.", "Two is longer.", "Three!"));
  EXPECT_THAT(three.groups, ElementsAre(0, 1, 1, 1));
  EXPECT_EQ(three.label, Label(ClassLabel{1}));
  std::string passage;
  for (int i = 0; i < 23; ++i) passage += "Sentence " + std::to_string(i) + " is here. ";
  const Example many = read_passage(passage);
  ASSERT_EQ(many.segments.size(), 6u);
  std::string together;
  for (size_t i = 1; i < many.segments.size(); ++i) {
    together += many.segments[i] + " ";
    EXPECT_TRUE(many.segments[i].starts_with("Sentence")) << many.segments[i];
    // 23 sentences in 5 pieces.
    EXPECT_NEAR(static_cast<double>(many.segments[i].size()),
                static_cast<double>(passage.size()) / 5, 30);
  }
  EXPECT_EQ(together, passage);
  EXPECT_THAT(read_passage("no end of a sentence").segments,
              ElementsAre("is it", "no end of a sentence"));
  EXPECT_THAT(read_passage("").segments, ElementsAre("is it", ""));
}

TEST_F(PairTasks, AnswerEquivalenceAndRanking) {
  const auto equivalence =
      read("answer_equivalence",
           write("e", R"({"question": "q", "reference": "r", "candidate": "c", "label": true})"
                      "\n"));
  EXPECT_THAT(equivalence.at(0).segments, ElementsAre("q", "r", "c"));
  EXPECT_EQ(equivalence[0].label, Label(ClassLabel{1}));
  const auto ranking =
      read("ranking", write("r", R"({"query_id": "7", "query": "q", "passage": "p", "label": 1})"
                                 "\n"
                                 R"({"query": "s", "passage": "p", "label": 0.5})"
                                 "\n"));
  EXPECT_THAT(ranking.at(0).segments, ElementsAre("q", "p"));
  EXPECT_EQ(ranking[0].label, Label(NumberLabel{1}));
  EXPECT_EQ(ranking[0].query, "7");
  EXPECT_EQ(ranking[1].query, "s");
  const auto listed =
      read("ranking", write("l", R"({"segments": ["q", "p"], "label": 1, "query_id": null})"
                                 "\n"));
  EXPECT_EQ(listed.at(0).query, "q");
  expect_error("ranking", R"({"query": "s", "passage": "p", "label": 2})",
               ":1: expected a score from 0 to 1, got '2'");
}

}  // namespace
}  // namespace lait
