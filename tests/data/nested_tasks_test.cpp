// The readers of tasks whose files are no plain lists of pairs: nested records, texts in a second
// file, folders; their labels, and the counts of the real files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "lait/data/labels.h"
#include "tests/base/error_of.h"
#include "tests/data/read_task.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using NestedTasks = Tasks;

ReadOptions with_text_file(const std::string& key, const std::string& path) {
  ReadOptions options;
  options.text_files[key] = {path};
  return options;
}

TEST_F(NestedTasks, MultiRcsNestedAnswersBecomeExamples) {
  const auto examples = read(
      "multirc",
      write("m",
            R"({"idx": 4, "version": 1.1, "passage": {"text": "p", "questions": [)"
            R"({"question": "q1", "idx": 7, "answers": [{"text": "a", "idx": 1, "label": 0},)"
            R"( {"text": "b", "idx": 2, "label": 1}]},)"
            R"({"question": "q2", "idx": 8, "answers": [{"text": "c", "idx": 3, "label": 1}]}]}})"
            "\n"));
  ASSERT_EQ(examples.size(), 3u);
  EXPECT_THAT(examples[1].segments, ElementsAre("p", "q1", "b"));
  EXPECT_EQ(examples[1].label, Label(ClassLabel{1}));
  EXPECT_EQ(examples[1].id, "4/7/2");
  EXPECT_EQ(examples[1].passage, "4");
  EXPECT_EQ(examples[1].query, "4/7");
  EXPECT_EQ(examples[2].query, "4/8");
  const auto flat =
      read("multirc",
           write("f", R"({"paragraph": "p", "question": "q", "answer": "a", "label": 1, "idx": )"
                      R"({"paragraph": 4, "question": 7, "answer": 2}})"
                      "\n"));
  EXPECT_THAT(flat.at(0).segments, ElementsAre("p", "q", "a"));
  EXPECT_EQ(flat[0].query, "4/7");
  // Rows without numbers are told apart by their texts.
  const auto rows = read("multirc", write("t",
                                          "passage\tquestion\tanswer\tlabel\np\tq\ta\t1\n"
                                          "p\tq\tb\t0\np\tr\ta\t0\n"));
  EXPECT_EQ(rows.at(0).query, rows.at(1).query);
  EXPECT_NE(rows.at(0).query, rows.at(2).query);
  EXPECT_EQ(rows.at(0).passage, rows.at(2).passage);
  expect_error("multirc", R"({"idx": 0, "passage": {"text": "p"}})",
               ":1: expected a list in \"questions\", got none");
  expect_error(
      "multirc",
      R"({"idx": 0, "passage": {"text": "p", "questions": [{"question": "q", "answers": [{}]}]}})",
      ":1: expected text in \"text\", got none");
}

TEST_F(NestedTasks, Fnc1LooksArticlesUpByTheirId) {
  const std::string bodies =
      write("bodies.csv", "Body ID,articleBody\n0,\"A \"\"small\"\" town.\n\nIt is.\"\n12,Other\n");
  const std::string stances =
      write("stances.csv", "Headline,Body ID,Stance\n\"Town, small\",0,discuss\nX,12,unrelated\n");
  const auto examples = read("fnc1", stances, with_text_file("data.bodies", bodies));
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_THAT(examples[0].segments, ElementsAre("Town, small", "A \"small\" town.\n\nIt is."));
  EXPECT_EQ(examples[0].label, Label(ClassLabel{2}));
  EXPECT_EQ(examples[0].passage, "0");
  EXPECT_EQ(examples[1].label, Label(ClassLabel{3}));
  EXPECT_THAT(
      error_of([&] { read("fnc1", stances); }),
      HasSubstr(":2: expected the article of Body ID '0', got no data.bodies to look it up in"));
  EXPECT_THAT(error_of([&] {
                read("fnc1", write("s", "Headline,Body ID,Stance\nX,13,agree\n"),
                     with_text_file("data.bodies", bodies));
              }),
              HasSubstr(":2: expected a Body ID of data.bodies, got '13'"));
  EXPECT_THAT(
      error_of([&] {
        read("fnc1", stances,
             with_text_file("data.bodies", write("twice", "Body ID,articleBody\n0,a\n0,b\n")));
      }),
      HasSubstr("twice:3: expected each id once, got '0' twice"));
  EXPECT_THAT(
      error_of([&] { read("fnc1", stances, with_text_file("data.bodies", stances)); }),
      HasSubstr("expected the field \"articleBody\", got none; data.bodies is the CSV file"));
}

TEST_F(NestedTasks, Fnc1TakesJsonLinesWithNumbersAndSeveralFilesOfArticles) {
  ReadOptions options;
  options.text_files["data.bodies"] = {write("one", R"({"Body ID": 1, "articleBody": "a"})"
                                                    "\n"),
                                       write("two", "Body ID,articleBody\n2,b\n")};
  const auto examples = read("fnc1",
                             write("s", R"({"Headline": "h", "Body ID": 1, "Stance": "agree"})"
                                        "\n"
                                        R"({"headline": "h", "Body ID": 2, "label": "discuss"})"
                                        "\n"
                                        R"({"headline": "h", "article": "own", "label": "discuss"})"
                                        "\n"),
                             options);
  EXPECT_THAT(examples.at(0).segments, ElementsAre("h", "a"));
  EXPECT_THAT(examples.at(1).segments, ElementsAre("h", "b"));
  EXPECT_THAT(examples.at(2).segments, ElementsAre("h", "own"));
}

TEST_F(NestedTasks, AFileThatATaskHasNotIsRefused) {
  EXPECT_THAT(error_of([&] {
                check_options(with_text_file("data.bodies", "b"), find_task("sick"),
                              LabelKind::kClass);
              }),
              testing::StartsWith("data.bodies: task sick has no such file; leave it out"));
  check_options(with_text_file("data.bodies", "b"), find_task("fnc1"), LabelKind::kClass);
  ReadOptions columns;
  columns.columns.segments = {"a", "b"};
  for (const char* task : {"fnc1", "wic", "boolq_split"})
    EXPECT_THAT(error_of([&] { check_options(columns, find_task(task), LabelKind::kClass); }),
                HasSubstr("makes its segments of its own fields"));
  columns.text_files["data.corpus"] = {"c"};
  EXPECT_THAT(error_of([&] { check_options(columns, find_task("scifact"), LabelKind::kClass); }),
              HasSubstr("leave one of them out"));
}

TEST_F(NestedTasks, SciFactsClaimsMeetTheAbstractsThatTheyCite) {
  const std::string corpus =
      write("corpus",
            R"({"doc_id": 5, "title": "T.", "abstract": ["One.\n", "Two."], "structured": false})"
            "\n"
            R"({"doc_id": 6, "title": "U", "abstract": ["Three."]})"
            "\n");
  const std::string claims =
      write("claims", R"({"id": 1, "claim": "c", "evidence": {"5": [{"sentences": [0], "label": )"
                      R"("SUPPORT"}, {"sentences": [1], "label": "SUPPORT"}]}, )"
                      R"("cited_doc_ids": [5, 6]})"
                      "\n");
  auto examples = read("scifact", claims, with_text_file("data.corpus", corpus));
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_THAT(examples[0].segments, ElementsAre("c", "T. One. Two."));
  EXPECT_EQ(examples[0].label_text, "SUPPORT");
  EXPECT_EQ(examples[0].id, "1/5");
  EXPECT_EQ(examples[1].label_text, "NOT_ENOUGH_INFO");
  EXPECT_THAT(label_set(examples, find_task("scifact")), ElementsAre("SUPPORT", "NOT_ENOUGH_INFO"));
  EXPECT_THAT(error_of([&] { read("scifact", claims); }), HasSubstr("got no data.corpus"));
  EXPECT_THAT(error_of([&] {
                read("scifact",
                     write("u", R"({"id": 1, "claim": "c", "evidence": {"7": []}, )"
                                R"("cited_doc_ids": [5]})"
                                "\n"),
                     with_text_file("data.corpus", corpus));
              }),
              HasSubstr("expected evidence of documents in \"cited_doc_ids\", got '7'"));
  const auto pairs = read(
      "scifact", write("p", "index\tsentence1\tsentence2\tentailment\n0\te\tc\tnot_entailment\n"));
  EXPECT_THAT(pairs.at(0).segments, ElementsAre("c", "e"));
}

TEST_F(NestedTasks, FeverReadsFoldersOfAlignedLines) {
  write("f/dev.raw.input0", "evidence one\nevidence \"two\"\n");
  write("f/dev.raw.input1", "claim one\nclaim two\n");
  write("f/dev.label", "entailment\nnot_entailment\n");
  const std::string folder = (folder_ / "f").string();
  auto examples = read("fever", folder);
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_THAT(examples[1].segments, ElementsAre("claim two", "evidence \"two\""));
  EXPECT_EQ(examples[1].label_text, "not_entailment");
  EXPECT_EQ(example_name(examples, 1), folder + ":2");
  EXPECT_THAT(label_set(examples, find_task("fever")), ElementsAre("entailment", "not_entailment"));
  // Forms with other labels do not mix.
  const auto symmetric =
      read("fever", write("s", R"({"id": 1, "claim": "c", "evidence_sentence": "e", "gold_label": )"
                               R"("REFUTES"})"
                               "\n"));
  EXPECT_THAT(symmetric.at(0).segments, ElementsAre("c", "e"));
  examples.push_back(symmetric[0]);
  EXPECT_THAT(error_of([&] { label_set(examples, find_task("fever")); }),
              HasSubstr("expected labels of {SUPPORTS, REFUTES, NOT ENOUGH INFO} or {entailment, "
                        "not_entailment}, got {REFUTES, entailment, not_entailment}: files of "
                        "different forms do not mix"));
  write("f/dev.raw.input0", "evidence \xFF one\nevidence two\n");
  EXPECT_THAT(error_of([&] { read("fever", folder); }),
              HasSubstr(folder + ":1: expected UTF-8 text, got other bytes"));
  write("f/dev.raw.input0", "evidence one\nevidence two\n");
  write("f/dev.label", "entailment\n");
  EXPECT_THAT(error_of([&] { read("fever", folder); }),
              HasSubstr("expected files with the same number of lines"));
  write("g/x", "");
  EXPECT_THAT(error_of([&] { read("fever", (folder_ / "g").string()); }),
              HasSubstr("got a folder without them"));
}

TEST_F(NestedTasks, FeversSharedTaskTakesItsEvidenceFromThePages) {
  // The title in decomposed form in the claims, composed in the pages.
  write("wiki/wiki-001.jsonl",
        "{\"id\": \"\", \"text\": \"\", \"lines\": \"\"}\n"
        "{\"id\": \"Caf\xC3\xA9\", \"text\": \"x\", \"lines\": "
        "\"0\\tFirst .\\tLink\\tlink\\n1987\\tof a table\\n1\\tSecond .\\n2\\t\"}\n");
  write("wiki/wiki-002.jsonl",
        "{\"id\": \"Other\", \"lines\": \"0\\tThird .\"}\n"
        "{\"id\": \"Unused\", \"lines\": \"not parsed\"}\n");
  const ReadOptions options = with_text_file("data.wiki_pages", (folder_ / "wiki").string());
  const std::string claims = write(
      "claims",
      "{\"id\": 9, \"verifiable\": \"VERIFIABLE\", \"label\": \"SUPPORTS\", \"claim\": \"c\", "
      "\"evidence\": [[[1, 1, \"Cafe\xCC\x81\", 1], [1, 2, \"Other\", 0]], [[2, 3, \"Other\", 0]], "
      "[[4, 5, \"Other\", 0]]]}\n"
      "{\"id\": 10, \"label\": \"NOT ENOUGH INFO\", \"claim\": \"d\", \"evidence\": [[[1, null, "
      "null, null]]]}\n");
  const auto examples = read("fever", claims, options);
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_THAT(examples[0].segments, ElementsAre("c", "Second . Third ."));
  EXPECT_THAT(examples[1].segments, ElementsAre("c", "Third ."));
  EXPECT_EQ(examples[1].id, "9/1");
  EXPECT_EQ(examples[1].query, "9");
  EXPECT_EQ(counts_.without_text, 1);
  EXPECT_EQ(left_out(counts_), ", 1 records without an example left out");
  EXPECT_THAT(error_of([&] { read("fever", claims); }), HasSubstr("got no data.wiki_pages"));
  EXPECT_THAT(error_of([&] {
                read("fever",
                     write("b",
                           "{\"id\": 1, \"label\": \"REFUTES\", \"claim\": \"c\", \"evidence\": "
                           "[[[1, 1, \"Other\", 3]]]}\n"),
                     options);
              }),
              HasSubstr("expected a line of page 'Other', which has 1, as evidence, got line 3"));
}

size_t distinct(const std::vector<Example>& examples, std::string Example::*member) {
  std::set<std::string> values;
  for (const Example& example : examples) values.insert(example.*member);
  return values.size();
}

TEST_F(NestedTasks, RealFilesHaveTheirCounts) {
  const char* data = std::getenv("LAIT_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "LAIT_TEST_DATA is not set";
  const std::string root = data;
  const auto multirc = read("multirc", root + "/superglue/MultiRC/train.jsonl.gz");
  EXPECT_EQ(multirc.size(), 27243u);
  EXPECT_EQ(distinct(multirc, &Example::passage), 456u);
  EXPECT_EQ(read("multirc", root + "/superglue/MultiRC/val.jsonl.gz").size(), 4848u);
  EXPECT_EQ(read("wic", root + "/superglue/WiC/train.jsonl.gz").size(), 5428u);
  EXPECT_EQ(read("wic", root + "/superglue/WiC/val.jsonl").size(), 638u);
  EXPECT_EQ(read("boolq_split", root + "/boolq/dev.jsonl.gz").size(), 786u);
  EXPECT_EQ(read("sick_relatedness", root + "/sick/SICK_train.txt").size(), 4500u);
  EXPECT_EQ(read("fever", root + "/fever/rte_fever_dev").size(), 13332u);
  EXPECT_EQ(read("fever", root + "/fever/fever_symmetric_dev.jsonl").size(), 708u);
  EXPECT_EQ(read("scifact", root + "/scifact/rte_scifact/dev.tsv").size(), 209u);
  EXPECT_EQ(read("answer_equivalence", root + "/answer_equivalence/train.jsonl.gz").size(), 7930u);
  const auto fnc1 = read("fnc1", root + "/fnc1/train_stances.csv.gz",
                         with_text_file("data.bodies", root + "/fnc1/train_bodies.csv.gz"));
  EXPECT_EQ(fnc1.size(), 49972u);
  EXPECT_EQ(distinct(fnc1, &Example::passage), 1683u);
  EXPECT_THAT(class_counts(fnc1, 4), ElementsAre(3678, 840, 8909, 36545));
  for (const auto& [file, pairs, queries] :
       {std::tuple{"train", 8672u, 873u}, {"dev", 1130u, 126u}, {"test", 2351u, 243u}}) {
    const auto ranking = read("ranking", root + "/wikiqa/" + file + ".jsonl.gz");
    EXPECT_EQ(ranking.size(), pairs);
    EXPECT_EQ(distinct(ranking, &Example::query), queries);
  }
}

}  // namespace
}  // namespace lait
