// FEVER (Thorne et al. 2018): whether evidence supports a claim. Three forms:
//   - a folder of line-aligned files NAME.raw.input0 (evidence), .raw.input1 (claim), .label
//     (entailment, not_entailment), .gz or not;
//   - JSON lines with the evidence's text: FEVER-Symmetric's {"claim", "evidence" or
//     "evidence_sentence", "label" or "gold_label"};
//   - the shared task's JSON lines {"id", "claim", "evidence": [[[_, _, page, line], …], …],
//     "label"} with data.wiki_pages, the folder of wiki-*.jsonl: one example for each distinct set
//     of evidence. Claims that have none (NOT ENOUGH INFO) are left out and counted.
// The forms have different labels, which are not mapped to each other.
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/config/numbers.h"
#include "lait/data/table_format.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

using Json = Record::Json;
namespace fs = std::filesystem;

// Page titles in one Unicode form: claims and pages differ in it.
std::string composed(const std::string& title) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(status);
  const icu::UnicodeString text = nfc->normalize(icu::UnicodeString::fromUTF8(title), status);
  std::string out;
  return U_FAILURE(status) ? title : text.toUTF8String(out);
}

// The lines of a page, "NUMBER\tTEXT\tLINKS…" each, by number. Others are the rest of a text with a
// line break in it, or blank.
std::vector<std::string> page_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> cells = split(line, '\t');
    if (cells.size() > 1 && parse_number<size_t>(cells.front()) == lines.size())
      lines.push_back(cells[1]);
  }
  return lines;
}

void read_pages(const std::string& folder, WantedIds wanted, TextTable& pages) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".jsonl") || name.ends_with(".jsonl.gz")) files.push_back(entry.path());
  }
  if (files.empty())
    throw UserError("data.wiki_pages: " + folder +
                    ": expected a folder of FEVER's wiki-*.jsonl, got none there");
  std::ranges::sort(files);
  for (const fs::path& file : files) {
    LineReader lines(file);
    RecordReader records(lines, FileFormat::kJsonLines, ReadFor::kTraining, {});
    const auto where = [&] { return file.string() + ":" + std::to_string(records.line_number()); };
    try {
      while (const auto record = records.next()) {
        const std::string id = composed(record->text("id"));
        if (id.empty() || (wanted != nullptr && !wanted->contains(id))) continue;
        // Of titles that differ in their Unicode form only, the first counts.
        if (pages.find(id) == nullptr) pages.add(id, page_lines(record->text("lines")), where());
      }
    } catch (const BadLine& bad) {
      throw UserError(where() + ": " + bad.what());
    }
  }
}

// A sentence of evidence: a page's title and the number of its line.
struct Sentence {
  std::string page;
  size_t line = 0;
  bool operator==(const Sentence&) const = default;
};
using EvidenceSet = std::vector<Sentence>;

// The distinct sets that have a page.
std::vector<EvidenceSet> evidence_sets(const Json& evidence) {
  constexpr const char* kExpected =
      "expected \"evidence\": a list of sets of [annotation, evidence, page, line], got ";
  std::vector<EvidenceSet> sets;
  for (const Json& listed : evidence) {
    if (!listed.is_array()) throw BadLine(kExpected + shown(evidence.dump()));
    EvidenceSet set;
    for (const Json& sentence : listed) {
      if (!sentence.is_array() || sentence.size() < 4)
        throw BadLine(kExpected + shown(evidence.dump()));
      if (sentence[2].is_null()) continue;
      if (!sentence[2].is_string() || !sentence[3].is_number_unsigned())
        throw BadLine(kExpected + shown(evidence.dump()));
      set.push_back({composed(sentence[2].get<std::string>()), sentence[3].get<size_t>()});
    }
    if (!set.empty() && std::ranges::count(sets, set) == 0) sets.push_back(std::move(set));
  }
  return sets;
}

// The files NAME.raw.input0, NAME.raw.input1 and NAME.label of a folder, line by line.
class AlignedFiles {
 public:
  explicit AlignedFiles(const fs::path& folder) : folder_(folder.string()) {
    std::string found;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      const size_t end = name.find(".raw.input0");
      if (end == name.npos) continue;
      if (!found.empty())
        throw UserError(folder_ +
                        ": expected one NAME.raw.input0, got several; name a folder with "
                        "one");
      found = name.substr(0, end);
    }
    if (found.empty())
      throw UserError(folder_ +
                      ": expected a file, or a folder with NAME.raw.input0, "
                      "NAME.raw.input1 and NAME.label, got a folder without them");
    for (const char* part : {".raw.input0", ".raw.input1", ".label"}) {
      const fs::path path = folder / (found + part), packed = path.string() + ".gz";
      parts_.push_back(std::make_unique<LineReader>(fs::exists(path) ? path : packed));
    }
  }

  std::optional<std::string> next() {
    std::vector<std::optional<std::string>> lines;
    for (const auto& part : parts_) lines.push_back(part->next());
    const auto ended = [](const std::optional<std::string>& line) { return !line; };
    const auto missing = std::ranges::count_if(lines, ended);
    if (missing == 3) return std::nullopt;
    if (missing > 0) {
      const auto first = std::ranges::find_if(lines, ended) - lines.begin();
      throw UserError(folder_ + ": expected files with the same number of lines, got an end of " +
                      parts_[static_cast<size_t>(first)]->name() + " before that of the others");
    }
    ++line_;
    try {
      return Json{{"evidence", *lines[0]}, {"claim", *lines[1]}, {"label", *lines[2]}}.dump();
    } catch (const Json::exception&) {
      throw UserError(folder_ + ":" + std::to_string(line_) +
                      ": expected UTF-8 text, got other bytes");
    }
  }

 private:
  std::string folder_;
  std::vector<std::unique_ptr<LineReader>> parts_;
  int64_t line_ = 0;
};

class Fever : public Task {
 public:
  std::string name() const override { return "fever"; }
  std::vector<std::string> segment_names() const override { return {"claim", "evidence"}; }
  // Found in the data: the forms have different ones.
  std::vector<std::string> labels() const override { return {}; }
  bool open_labels() const override { return true; }
  std::vector<std::vector<std::string>> label_sets() const override {
    return {{"SUPPORTS", "REFUTES", "NOT ENOUGH INFO"}, {"entailment", "not_entailment"}};
  }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy", "macro_f1"}; }
  // In the style of T5's NLI tasks; T5 was not trained on it.
  Prompts prompts() const override {
    return {.parts = {{0, "fever hypothesis: "}, {1, "premise: "}}};
  }
  std::string formats() const override {
    return "a folder of NAME.raw.input0, NAME.raw.input1 and NAME.label; JSON lines, TSV or CSV "
           "with claim, evidence and label; or the shared task's JSON lines with data.wiki_pages";
  }
  FieldNames fields() const override {
    return {.segments = {{"claim"}, {"evidence", "evidence_sentence"}},
            .label = {"label", "gold_label"},
            .id = {"id", "idx"},
            .query = {"claim_id"}};
  }
  std::optional<LineReader> open(const std::string& path) const override {
    std::error_code error;
    if (!fs::is_directory(path, error)) return std::nullopt;
    auto files = std::make_shared<AlignedFiles>(path);
    return LineReader([files] { return files->next(); }, path);
  }
  std::optional<TextFile> text_file() const override {
    return TextFile{.key = "data.wiki_pages", .by_need = true, .read = read_pages};
  }
  std::vector<std::string> text_ids(const Record& record) const override {
    std::vector<std::string> pages;
    const Json* evidence = record.find("evidence");
    if (evidence == nullptr || !evidence->is_array()) return pages;
    for (const EvidenceSet& set : evidence_sets(*evidence)) {
      for (const Sentence& sentence : set) pages.push_back(sentence.page);
    }
    return pages;
  }
  std::vector<Record> examples_of(Record record, const TextTable* texts) const override {
    const Json* evidence = record.find("evidence");
    if (evidence == nullptr || !evidence->is_array())
      return Task::examples_of(std::move(record), texts);
    if (texts == nullptr)
      throw BadLine(
          "expected the pages that the evidence names, got no data.wiki_pages to look them "
          "up in: train with the folder of FEVER's wiki-*.jsonl, predict with the texts "
          "themselves");
    std::vector<Record> out;
    for (const EvidenceSet& set : evidence_sets(*evidence)) {
      Json example{{"claim", record.text("claim")}, {"evidence", text_of(set, *texts)}};
      if (const Json* label = record.find("label")) example["label"] = *label;
      if (const Json* id = record.find("id")) {
        example["claim_id"] = *id;
        example["id"] = id_text(*id, "id") + "/" + std::to_string(out.size());
      }
      out.emplace_back(std::move(example));
    }
    return out;
  }

 private:
  static std::string text_of(const EvidenceSet& set, const TextTable& pages) {
    std::vector<std::string> sentences;
    for (const Sentence& sentence : set) {
      const auto* lines = pages.find(sentence.page);
      if (lines == nullptr)
        throw BadLine("expected pages of data.wiki_pages as evidence, got " + shown(sentence.page));
      if (sentence.line >= lines->size())
        throw BadLine("expected a line of page " + shown(sentence.page) + ", which has " +
                      std::to_string(lines->size()) + ", as evidence, got line " +
                      std::to_string(sentence.line));
      sentences.push_back((*lines)[sentence.line]);
    }
    return joined_text(sentences);
  }
};

}  // namespace

const Task& fever_task() {
  static const Fever task;
  return task;
}

}  // namespace lait
