// Fuzz targets of lait/data: every task's native file, and the files with texts that examples name.
#include <gmock/gmock.h>
#include <zlib.h>

#include <map>

#include "lait/base/files.h"
#include "lait/data/example_reader.h"
#include "lait/data/labels.h"
#include "tests/base/temporary_folder.h"
#include "tests/fuzz/fuzz.h"

namespace lait {
namespace {

const std::map<std::string, std::vector<std::string>> kFiles{
    {"wordnet",
     {R"({"segments": ["a dog", "it is a kind of animal"], "label": "supported", "id": "1-2"})"
      "\n"}},
    {"sick",
     {"pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n7\tA \"man\tis\" "
      "here\t4.5\tNEUTRAL\n8\ta\tb\t1\tENTAILMENT\n"}},
    {"mnli",
     {"{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": 1}\n{\"premise\": \"p\", "
      "\"hypothesis\": \"h\", \"label\": \"neutral\"}\n",
      "index\tsentence1\tsentence2\tgold_label\n0\tp\th\tneutral\n1\tp\th\t-\n"}},
    {"snli",
     {"{\"sentence1\": \"p\", \"sentence2\": \"h\", \"gold_label\": \"neutral\", \"pairID\": "
      "\"1\"}\n{\"sentence1\": \"p\", \"sentence2\": \"h\", \"gold_label\": \"-\"}\n"}},
    {"rte",
     {"index\tsentence1\tsentence2\tlabel\n0\tp \"x\th\tnot_entailment\n",
      "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": 0, \"idx\": 3}\n"}},
    {"anli",
     {R"({"uid": "u", "context": "p", "hypothesis": "h", "label": "e", "reason": ""})"
      "\n"}},
    {"qnli", {"index\tquestion\tsentence\tlabel\n5\tWho?\tA \"man\"\tentailment\n"}},
    {"paws", {"id\tsentence1\tsentence2\tlabel\n1\ta\tb\t0\n"}},
    {"mrpc", {"Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\t\"a\" b\tc\n"}},
    {"qqp",
     {"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tq\tr\t1\n",
      "\"id\",\"question1\",\"question2\",\"is_duplicate\"\n\"0\",\"a \"\"b\"\"\",\"c\",\"1\"\n"}},
    {"wic",
     {R"({"word": "w", "sentence1": "a w", "sentence2": "w b", "idx": 0, "label": true})"
      "\n"}},
    {"boolq_split",
     {"{\"question\": \"q\", \"answer\": true, \"passage\": \"One. Two! Dr. No? \xC3\xA9\"}\n"}},
    {"multirc",
     {R"({"idx": 4, "passage": {"text": "p", "questions": [{"question": "q", "idx": 7, )"
      R"("answers": [{"text": "a", "idx": 1, "label": 0}, {"text": "b", "label": 1}]}]}})"
      "\n",
      R"({"paragraph": "p", "question": "q", "answer": "a", "label": 1, )"
      R"("idx": {"paragraph": 4, "question": 7, "answer": 2}})"
      "\n"}},
    {"fever",
     {R"({"id": 9, "label": "SUPPORTS", "claim": "c", "evidence": [[[1, 1, "Page", 1]]]})"
      "\n",
      R"({"id": 1, "claim": "c", "evidence_sentence": "e", "gold_label": "REFUTES"})"
      "\n"}},
    {"scifact",
     {R"({"id": 1, "claim": "c", "evidence": {"5": [{"sentences": [0], "label": "SUPPORT"}]}, )"
      R"("cited_doc_ids": [5, 6]})"
      "\n",
      "index\tsentence1\tsentence2\tentailment\n0\te\tc\tnot_entailment\n"}},
    {"fnc1", {"Headline,Body ID,Stance\n\"a, b\",0,discuss\nX,12,unrelated\n"}},
    {"answer_equivalence",
     {R"({"question": "q", "reference": "r", "candidate": "c", "label": true})"
      "\n"}},
    {"ranking",
     {R"({"query_id": "7", "query": "q", "passage": "p", "label": 1})"
      "\n",
      "query\tpassage\tlabel\nq\tp\t0.5\n"}},
    {"sick_relatedness",
     {"pair_ID\tsentence_A\tsentence_B\trelatedness_score\n7\tA \"man\tis\" here\t4.5\n"}},
    {"squad",
     {R"({"id": "1", "question": "q", "context": "a b", "answers": {"text": ["b"], )"
      R"("answer_start": [2]}})"
      "\n",
      R"({"version": "v2.0", "data": [{"title": "t", "paragraphs": [{"context": "a b", "qas": )"
      R"([{"id": "1", "question": "q", "answers": [{"text": "b", "answer_start": 2}]}]}]}]})"
      "\n"}},
    {"boolq",
     {"{\"question\": \"q\", \"title\": \"t\", \"answer\": true, \"passage\": "
      "\"p\"}\n{\"question\": \"q\", \"passage\": \"p\", \"label\": \"False\", \"idx\": 7}\n"}},
    {"vitaminc",
     {"{\"unique_id\": \"a_1\", \"label\": \"NOT ENOUGH INFO\", \"claim\": \"c\", \"evidence\": "
      "\"e\"}\n"}},
    {"stsb",
     {"index\tgenre\tsentence1\tsentence2\tscore\n3\tcaptions\tA \"man\tB\t2.600\n",
      "captions\tMSRvid\t2012test\t0001\t5.000\tA\tB\n"}},
    {"jsonl",
     {R"({"segments": ["a", "b", "c"], "groups": [0, 0, 1], "label": 1, "id": 5})"
      "\n"
      R"({"segments": ["d"], "label": "2.5"})"
      "\n"}},
    {"table",
     {"q,a,gold,key\n\"one, \"\"two\"\"\nthree\",b,1,x\nc,d,2.5,\n",
      "q\ta\tgold\tkey\none \"two\tb\t1\tx\n", "\"q\";\"a\";\"gold\";\"key\"\na;\"b;\";1;x\n"}}};

// The texts that examples of kFiles name.
struct TextFiles {
  TextFiles() {
    folder.write("bodies", "Body ID,articleBody\n0,\"one\n\ntwo\"\n12,other\n");
    folder.write("corpus", R"({"doc_id": 5, "title": "T", "abstract": ["one", "two"]})"
                           "\n"
                           R"({"doc_id": 6, "title": "U", "abstract": []})"
                           "\n");
    std::filesystem::create_directory(folder / "wiki");
    folder.write("wiki/wiki-001.jsonl", R"({"id": "Page", "lines": "0\tFirst .\n1\tSecond ."})"
                                        "\n");
  }
  TemporaryFolder folder;
  const std::map<std::string, std::string> by_key{{"data.bodies", (folder / "bodies").string()},
                                                  {"data.corpus", (folder / "corpus").string()},
                                                  {"data.wiki_pages", (folder / "wiki").string()}};
};

ReadOptions options_for(const Task& task) {
  static const TextFiles texts;
  ReadOptions options;
  if (const auto file = task.text_file())
    options.text_files[file->key] = {texts.by_key.at(file->key)};
  if (task.needs_columns())
    options.columns = {.segments = {"q", "a"}, .label = "gold", .id = "key"};
  return options;
}

std::vector<Example> read_examples(const Task& task, const std::filesystem::path& file,
                                   int64_t skip_bad_lines = 0) {
  ReadOptions options = options_for(task);
  options.skip_bad_lines = skip_bad_lines;
  return read_files(task, {file.string()}, options).examples;
}

struct InRange {
  const Task& task;
  const Example& example;
  bool operator()(const NumberLabel& label) const { return label.value >= 0 && label.value <= 5; }
  bool operator()(const ClassLabel& label) const {
    return label.index >= 0 && label.index < std::ssize(task.labels());
  }
  bool operator()(const SpanLabel& label) const {
    return std::ranges::all_of(label.any_of, [&](const TextSpan& span) {
      return span.segment == 1 && span.begin >= 0 && span.begin <= span.end &&
             span.end <= std::ssize(example.segments[1]);
    });
  }
  bool operator()(const auto&) const { return false; }
};

// What a task's reader returns must be usable: segments, labels in range. (check_examples counts
// the segments.)
void check(const Task& task, std::vector<Example>& examples) {
  for (const Example& example : examples) {
    if (example.segments.empty()) throw std::logic_error("an example without segments");
    if (!example.groups.empty() && example.groups.size() != example.segments.size())
      throw std::logic_error("groups are missing");
    const bool in_range = std::visit(InRange{task, example}, example.label);
    if (!task.open_labels() && !in_range) throw std::logic_error("a label out of range");
  }
  if (task.open_labels()) {
    assign_labels(examples, label_set(examples, task));
    if (task.label_sets().empty()) assign_scores(examples);
  }
}

TEST(Fuzz, EveryTaskHasATarget) {
  for (const std::string& name : task_names())
    EXPECT_TRUE(kFiles.contains(name)) << name << ": add a small valid file to kFiles";
}

class TaskFuzz : public testing::TestWithParam<std::string> {};

TEST_P(TaskFuzz, Files) {
  const Task& task = find_task(GetParam());
  const TemporaryFolder folder;
  const Mutator mutator(kFiles.at(GetParam()),
                        {"\"label\": ", "\"segments\": [", "\"groups\": [", "\"id\": ", "\t\t",
                         "\n\n", "{}", "[]", "\"\"", "-", "label", "sentence1", "5.000"});
  fuzz(mutator, [&](const std::string& bytes) {
    auto examples = read_examples(task, folder.write("data", bytes), bytes.size() % 3 == 0 ? 1 : 0);
    check(task, examples);
  });
}

// What systems do to files in transit changes nothing.
TEST_P(TaskFuzz, LineEndsByteOrderMarksAndGzipChangeNothing) {
  const Task& task = find_task(GetParam());
  const TemporaryFolder folder;
  auto read = [&](const std::filesystem::path& file) {
    std::string text;
    for (const Example& e : read_examples(task, file)) {
      for (const std::string& segment : e.segments) text += segment + "|";
      text += std::to_string(checksum({&e, 1})) + "|" + e.label_text + "|" + e.id + "\n";
    }
    return text;
  };
  for (const std::string& content : kFiles.at(GetParam())) {
    const std::string expected = read(folder.write("plain", content));
    EXPECT_NE(expected, "");
    std::string windows = "\xEF\xBB\xBF";
    for (const char c : content) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
    EXPECT_EQ(read(folder.write("windows", windows)), expected);
    EXPECT_EQ(read(folder.write("cut", content.substr(0, content.size() - 1))), expected);
    gzFile file = gzopen((folder / "packed.gz").c_str(), "wb");
    gzwrite(file, windows.data(), static_cast<unsigned>(windows.size()));
    gzclose(file);
    EXPECT_EQ(read(folder / "packed.gz"), expected);
  }
}

TEST_P(TaskFuzz, HostileLinesAreNamed) {
  const Task& task = find_task(GetParam());
  const TemporaryFolder folder;
  auto error_of = [&](const std::string& content) -> std::string {
    try {
      read_examples(task, folder.write("bad", content));
    } catch (const UserError& error) {
      EXPECT_EQ(spoilt_message(error.what(), false), "");
      return error.what();
    }
    return "";
  };
  const std::string& content = kFiles.at(GetParam())[0];
  const std::string where = (folder / "bad").string();
  EXPECT_EQ(error_of(content + std::string(100'000'000, 'x')),
            where + ":" + std::to_string(1 + std::ranges::count(content, '\n')) +
                ": expected lines of at most 16777216 bytes, got a longer one");
  EXPECT_THAT(error_of("\x1b[31m\x7f\n"), testing::StartsWith(where));
  if (content[0] != '{') return;
  for (const char* text :
       {R"({"a": "\ud800"})", R"({"a": "\udc00\ud800"})", "{\"a\": \"\xED\xA0\x80\"}",
        R"({"a": 1e999})", R"({"a": 1, "a": 2})", "{\"a\": \"\x01\"}", "{'a': 1}", "{\"a\": 1}}",
        "{\"a\": NaN}", "nothing"}) {
    EXPECT_THAT(
        error_of(content + text + "\n" + content),
        testing::StartsWith(where + ":" + std::to_string(1 + std::ranges::count(content, '\n')) +
                            ": expected "))
        << text;
  }
  EXPECT_THAT(error_of(std::string(64, ' ') + R"({"a": )" + std::string(10'000'000, '[')),
              testing::HasSubstr("expected JSON of at most 64 levels, got more"));
}

INSTANTIATE_TEST_SUITE_P(Tasks, TaskFuzz, testing::ValuesIn(task_names()),
                         [](const auto& info) { return info.param; });

TEST(Fuzz, TextFiles) {
  const std::map<std::string, std::string> seeds{
      {"fnc1", "Body ID,articleBody\n0,\"one\n\ntwo\"\n12,other\n"},
      {"scifact", "{\"doc_id\": 5, \"title\": \"T\", \"abstract\": [\"one\", \"two\"]}\n"},
      {"fever", "{\"id\": \"Page\", \"lines\": \"0\\tFirst .\\tLink\\n1\\tSecond .\\n2\\t\"}\n"}};
  for (const auto& [name, seed] : seeds) {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "wiki");
    const TextFile file = *find_task(name).text_file();
    fuzz(Mutator({seed}, {"\\t", "\\n", "\"lines\": ", "[", "0", ",", "\n", "\"\""}),
         [&](const std::string& bytes) {
           folder.write("wiki/a.jsonl", bytes);
           TextTable texts;
           file.read((folder / (file.by_need ? "wiki" : "wiki/a.jsonl")).string(), nullptr, texts);
         });
  }
}

}  // namespace
}  // namespace lait
