// SciFact (Wadden et al. 2020): whether an abstract supports a scientific claim. The authors' JSON
// lines {"claim", "evidence": {doc_id: [{"sentences", "label"}]}, "cited_doc_ids"} with
// data.corpus, JSON lines {"doc_id", "title", "abstract": ["…", …]}: one example for each abstract
// that a claim cites, the whole of it, NOT_ENOUGH_INFO where it has no evidence. (Rationales alone
// would give the label away: documents without evidence have none.) Or pairs as TSV, with evidence
// in sentence1 and the claim in sentence2, labelled entailment or not_entailment.
#include <algorithm>

#include "lait/base/error.h"
#include "lait/base/json.h"
#include "lait/base/shown_text.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

using Json = Record::Json;

void read_corpus(const std::string& path, WantedIds, TextTable& abstracts) {
  LineReader lines{std::filesystem::path(path)};
  RecordReader records(lines, FileFormat::kJsonLines, ReadFor::kTraining, {});
  const auto where = [&] { return path + ":" + std::to_string(records.line_number()); };
  try {
    while (const auto record = records.next()) {
      const Json* id = record->find("doc_id");
      const Json* sentences = record->find("abstract");
      if (id == nullptr || sentences == nullptr || !sentences->is_array())
        throw BadLine("expected doc_id, title and a list of sentences in abstract");
      std::vector<std::string> text{record->text("title")};
      for (const Json& sentence : *sentences) {
        if (!sentence.is_string())
          throw BadLine(std::string("expected texts in \"abstract\", got ") + sentence.type_name());
        text.emplace_back(trimmed(sentence.get_ref<const std::string&>()));
      }
      abstracts.add(id_text(*id, "doc_id"), {joined_text(text)}, where());
    }
  } catch (const BadLine& error) {
    throw UserError(where() + ": " + error.what() + "; data.corpus is SciFact's corpus.jsonl");
  }
}

// The label of a document's rationales.
std::string label_of(const Json& evidence, const std::string& document) {
  if (!evidence.contains(document)) return "NOT_ENOUGH_INFO";
  const Json& rationales = evidence[document];
  std::string label;
  if (rationales.is_array()) {
    for (const Json& rationale : rationales) {
      if (!rationale.is_object() || !rationale.contains("label") || !rationale["label"].is_string())
        break;
      const auto& own = rationale["label"].get_ref<const std::string&>();
      if (!label.empty() && own != label)
        throw BadLine("expected rationales of one label for document " + document + ", got " +
                      shown(label) + " and " + shown(own));
      label = own;
    }
  }
  if (label.empty())
    throw BadLine("expected rationales with a label for document " + document + ", got " +
                  shown(rationales.dump()));
  return label;
}

class SciFact : public Task {
 public:
  std::string name() const override { return "scifact"; }
  std::vector<std::string> segment_names() const override { return {"claim", "evidence"}; }
  // Found in the data: the file formats have different ones.
  std::vector<std::string> labels() const override { return {}; }
  bool open_labels() const override { return true; }
  std::vector<std::vector<std::string>> label_sets() const override {
    return {{"SUPPORT", "CONTRADICT", "NOT_ENOUGH_INFO"},
            {"SUPPORT", "REFUTE", "NOT_ENOUGH_INFO"},
            {"entailment", "not_entailment"}};
  }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy", "macro_f1"}; }
  std::string formats() const override {
    return "SciFact's claims_*.jsonl with data.corpus, its corpus.jsonl; or TSV, CSV or JSON lines "
           "with claim and evidence (or sentence2 and sentence1) and label or entailment";
  }
  FieldNames fields() const override {
    return {.segments = {{"claim", "sentence2"}, {"evidence", "sentence1"}},
            .label = {"label", "entailment"},
            .id = {"id", "index", "idx"}};
  }
  std::optional<TextFile> text_file() const override {
    return TextFile{.key = "data.corpus", .read = read_corpus};
  }
  std::vector<Record> examples_of(Record record, const TextTable* texts) const override {
    const Json* cited = record.find("cited_doc_ids");
    if (cited == nullptr) return Task::examples_of(std::move(record), texts);
    if (texts == nullptr)
      throw BadLine(
          "expected the abstracts that the claims cite, got no data.corpus to look them up "
          "in: train with SciFact's corpus.jsonl, predict with the texts themselves");
    const Json* evidence = record.find("evidence");
    const bool has_evidence = evidence != nullptr && evidence->is_object();
    if (!cited->is_array()) throw BadLine("expected a list in \"cited_doc_ids\"");
    if (has_evidence) {
      for (const auto& [id, rationales] : evidence->items()) {
        if (std::ranges::none_of(*cited, [&](const Json& document) {
              return id_text(document, "cited_doc_ids") == id;
            }))
          throw BadLine("expected evidence of documents in \"cited_doc_ids\", got " + shown(id));
      }
    }
    std::vector<Record> out;
    for (const Json& document : *cited) {
      const std::string id = id_text(document, "cited_doc_ids");
      const auto* abstract = texts->find(id);
      if (abstract == nullptr)
        throw BadLine("expected documents of data.corpus in \"cited_doc_ids\", got " + shown(id));
      Json example{{"claim", record.text("claim")}, {"evidence", abstract->front()}};
      if (const Json* claim = record.find("id")) example["id"] = id_text(*claim, "id") + "/" + id;
      if (has_evidence) example["label"] = label_of(*evidence, id);
      out.emplace_back(std::move(example));
    }
    return out;
  }
};

}  // namespace

const Task& scifact_task() {
  static const SciFact task;
  return task;
}

}  // namespace lait
