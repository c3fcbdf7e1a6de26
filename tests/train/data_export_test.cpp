// `lait-data export`: the task reads what is written as examples equal to those of its own files.
#include "train/data_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/base/files.h"
#include "lait/config/read.h"
#include "lait/data/example_reader.h"
#include "tests/base/error_of.h"
#include "tests/base/shell.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

using testing::HasSubstr;

class DataExport : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    write_file(folder_ / name, text);
    return (folder_ / name).string();
  }
  // Of files of the task; `more`: lines under `data:`.
  Config config(const std::string& task, const std::string& file, const std::string& more = "") {
    return parse_config("task: " + task + "\nmodel: {path: none}\ndata:\n  train: " + file + "\n" +
                            more + "output: {dir: none}\n",
                        "config", {});
  }
  // Exports the file and expects the same examples of what is written, read with `columns`.
  // Returns it.
  std::string expect_same(const std::string& task, const std::string& text,
                          const std::string& more = "") {
    SCOPED_TRACE(task);
    const Config of_file = config(task, write("native", text), more);
    const std::string output = (folder_ / (task + ".jsonl")).string();
    const Exported exported = export_data(of_file, {.output = output});
    ReadOptions plain;
    plain.columns = of_file.data.columns;
    const Task& reader = find_task(task);
    const auto before = read_files(reader, of_file.data.train, read_options(of_file.data)),
               after = read_files(reader, {output}, plain);
    EXPECT_EQ(exported.examples, std::ssize(before.examples));
    EXPECT_EQ(exported.counts.unlabelled, before.counts.unlabelled);
    EXPECT_EQ(before.examples.size(), after.examples.size());
    for (size_t i = 0; i < std::min(before.examples.size(), after.examples.size()); ++i) {
      const Example &a = before.examples[i], &b = after.examples[i];
      EXPECT_EQ(a.segments, b.segments) << i;
      EXPECT_EQ(a.groups, b.groups) << i;
      EXPECT_EQ(a.label, b.label) << i;
      EXPECT_EQ(a.label_text, b.label_text) << i;
      EXPECT_EQ(std::tie(a.id, a.query, a.passage), std::tie(b.id, b.query, b.passage)) << i;
    }
    return read_file(output);
  }
  TemporaryFolder folder_;
};

TEST_F(DataExport, PairsKeepLabelsAndIds) {
  EXPECT_EQ(expect_same("rte",
                        "{\"premise\": \"a \\\"b\\\"\", \"hypothesis\": \"ü\", \"label\": "
                        "\"not_entailment\", \"idx\": 3}\n"),
            "{\"segments\":[\"a \\\"b\\\"\",\"ü\"],\"label\":\"not_entailment\",\"id\":\"3\"}\n");
  expect_same("sick",
              "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
              "1\tA \"quote\tB\t4.5\tNEUTRAL\n");
  expect_same("stsb", "index\tsentence1\tsentence2\tscore\n7\ta\tb\t3.267\n");
  expect_same("ranking",
              "{\"query_id\": \"4\", \"query\": \"q\", \"passage\": \"p\", \"label\": 1}\n"
              "{\"query\": \"r\", \"passage\": \"p\", \"label\": 0}\n");
  expect_same(
      "answer_equivalence",
      "{\"question\": \"q\", \"reference\": \"r\", \"candidate\": \"c\", \"label\": true}\n");
  expect_same("snli",
              "{\"sentence1\": \"a\", \"sentence2\": \"b\", \"gold_label\": \"-\"}\n"
              "{\"sentence1\": \"a\", \"sentence2\": \"c\", \"gold_label\": \"neutral\"}\n");
}

TEST_F(DataExport, SegmentsAreWhatTheTaskMadeOfNestedRecordsAndOtherFiles) {
  expect_same("multirc",
              R"({"idx": 4, "passage": {"text": "p", "questions": [{"question": "q", "idx": 7, )"
              R"("answers": [{"text": "a", "idx": 1, "label": 0}, {"text": "b", "label": 1}]}]}})"
              "\n");
  EXPECT_THAT(expect_same("boolq_split",
                          "{\"question\": \"is it\", \"passage\": \"One is. Two are. Three.\", "
                          "\"answer\": true}\n"),
              HasSubstr("\"groups\":[0,1,1,1],\"label\":\"yes\""));
  EXPECT_THAT(expect_same("wic",
                          "{\"word\": \"w\", \"sentence1\": \"a w\", \"sentence2\": \"w b\", "
                          "\"label\": false}\n"),
              HasSubstr("[\"w: a w\",\"w: w b\"]"));
  EXPECT_THAT(
      expect_same(
          "fnc1", "Headline,Body ID,Stance\n\"A, b\",12,discuss\n",
          "  bodies: " + write("bodies.csv", "Body ID,articleBody\n12,\"Two\nlines\"\n") + "\n"),
      HasSubstr("{\"segments\":[\"A, b\",\"Two\\nlines\"],\"label\":\"discuss\",\"Body ID\""
                ":\"12\"}"));
  expect_same(
      "scifact",
      "{\"id\": 2, \"claim\": \"c\", \"evidence\": {\"5\": [{\"sentences\": [0], \"label\": "
      "\"SUPPORT\"}]}, \"cited_doc_ids\": [5, 6]}\n",
      "  corpus: " +
          write("corpus.jsonl",
                "{\"doc_id\": 5, \"title\": \"T\", \"abstract\": [\"one\", \"two\"]}\n"
                "{\"doc_id\": 6, \"title\": \"U\", \"abstract\": [\"three\"]}\n") +
          "\n");
}

TEST_F(DataExport, ColumnsOfOnesOwnKeepTheirNames) {
  EXPECT_EQ(expect_same("table", "question,answer,gold\nq,a,0\nr,b,1\n",
                        "  columns: {segments: [question, answer], label: gold}\n"
                        "  label_map: {0: wrong, 1: right}\n"),
            "{\"question\":\"q\",\"answer\":\"a\",\"gold\":\"wrong\"}\n"
            "{\"question\":\"r\",\"answer\":\"b\",\"gold\":\"right\"}\n");
  expect_same("jsonl",
              "{\"segments\": [\"a\", \"b\", \"c\"], \"groups\": [0, 1, 1], \"label\": \"x\"}\n",
              "  num_segments: 0\n");
}

TEST_F(DataExport, MistakesAreNamedAndNothingIsWritten) {
  const std::string file =
                        write("r", "{\"premise\": \"a\", \"hypothesis\": \"b\", \"label\": 7}\n"),
                    output = (folder_ / "out.jsonl").string();
  const auto error = [&](const std::string& task, const ExportOptions& options) {
    return error_of([&] { export_data(config(task, file), options); });
  };
  EXPECT_THAT(error("rte", {.output = output}), HasSubstr("expected a label index from 0 to 1"));
  EXPECT_THAT(error("rte", {.split = "test", .output = output}),
              HasSubstr("data.test: expected files to export, got none"));
  EXPECT_THAT(error("squad", {.output = output}), HasSubstr("its answers are places in the"));
  EXPECT_THAT(error("rte", {.output = output + ".gz"}), HasSubstr("leave out .gz"));
  EXPECT_FALSE(std::filesystem::exists(output));
  EXPECT_THAT(error("rte", {.output = file}), HasSubstr("exists; name another file"));
}

// As users run it: into a pipe whose reader leaves, and into a file.
TEST_F(DataExport, Program) {
  std::string text;
  for (int i = 0; i < 20000; ++i)
    text += "{\"sentence1\": \"a " + std::to_string(i) +
            "\", \"sentence2\": \"b\", \"gold_label\": " + (i == 0 ? "\"-\"" : "\"neutral\"") +
            "}\n";
  const std::string command = LAIT_BUILD_DIR "/bin/lait-data export --config snli_split4.yaml " +
                              ("--set data.train='" + write("snli.jsonl", text)) +
                              "' --set data.validation= --set data.test= ",
                    output = (folder_ / "out.jsonl").string();
  const ShellResult piped = shell("" + command + "| head -n 1", folder_.path());
  EXPECT_EQ(piped.code, 0) << piped.err;
  EXPECT_EQ(piped.out, "{\"segments\":[\"a 1\",\"b\"],\"label\":\"neutral\"}\n");
  const ShellResult written = shell(command + "--output '" + output + "'", folder_.path());
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_EQ(written.out, output + ": 19999 examples, 1 without gold label left out\n");
  const ShellResult again = shell(command + "--output '" + output + "'", folder_.path());
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.err, HasSubstr("lait-data: --output: " + output + " exists; name another"));
}

}  // namespace
}  // namespace lait
