// SQuAD (Rajpurkar et al. 2016, 2018): the part of a passage that answers a question, or that there
// is none. A document {"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question",
// "answers": [{"text", "answer_start"}], "is_impossible"}]}]}]}, versions 1.1 and 2.0, as XQuAD and
// COVID-QA have it too; its articles or paragraphs as JSON lines; or a line for each question, as
// Hugging Face has them: {"id", "question", "context", "answers": {"text", "answer_start"}}.
#include <deque>
#include <filesystem>
#include <memory>

#include "lait/base/error.h"
#include "lait/base/json.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

using Json = Record::Json;
namespace fs = std::filesystem;

// SQuAD 2.0's training file has 42 MB.
constexpr size_t kMaxDocumentBytes = size_t{512} << 20;
// In a document: the paragraph, in a list, in an article, in a list, in the document.
constexpr int kParagraphDepth = 4, kArticleDepth = 2;

bool is_paragraph(const Json& value) { return value.is_object() && value.contains("qas"); }

// The paragraphs of a document, as lines.
class Paragraphs {
 public:
  std::optional<std::string> next() {
    if (lines_.empty()) return std::nullopt;
    std::string line = std::move(lines_.front());
    lines_.pop_front();
    return line;
  }

  // False: the text is no document. Throws UserError "path: …".
  bool read(const std::string& text, const std::string& path) {
    std::vector<Json> of_article;
    const auto keep = [&](int depth, Json& value) {
      if (depth == kParagraphDepth && is_paragraph(value)) {
        of_article.push_back(std::move(value));
        return false;
      }
      if (depth != kArticleDepth) return true;
      const auto title = value.find("title");
      for (Json& paragraph : of_article) {
        if (title != value.end()) paragraph["title"] = *title;
        lines_.push_back(paragraph.dump());
      }
      of_article.clear();
      return false;
    };
    try {
      const Json document = parse_json_text<Json>(text, keep);
      return document.is_object() && document.contains("data");
    } catch (const BadJson& error) {
      throw UserError(path + ": " + error.what());
    }
  }

 private:
  std::deque<std::string> lines_;
};

bool is_blank_line(const std::string& line) { return line.find_first_not_of(" \t\r") == line.npos; }

// The text of a file that is one JSON object, on one line or several; nullopt: it is another file.
std::optional<std::string> one_object(const std::string& path) {
  LineReader lines(path, kMaxDocumentBytes);
  std::string text;
  bool is_first = true;
  while (const auto line = lines.next()) {
    if (is_blank_line(*line)) continue;
    if (text.empty() && line->find_first_not_of(" \t") != line->find('{')) return std::nullopt;
    // JSON lines.
    if (!text.empty() && std::exchange(is_first, false) && Json::accept(text)) return std::nullopt;
    text += *line;
    text += '\n';
    if (text.size() > kMaxDocumentBytes)
      throw UserError(path + ": expected a document of at most " +
                      std::to_string(kMaxDocumentBytes) + " bytes, got more; split it");
  }
  return text.empty() ? std::nullopt : std::optional(text);
}

const Json& list(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (found != object.end() && found->is_array()) return *found;
  throw BadLine(std::string("expected a list in \"") + name + "\", got " +
                (found == object.end() ? "none" : found->type_name()));
}

class Squad : public Task {
 public:
  std::string name() const override { return "squad"; }
  std::vector<std::string> segment_names() const override { return {"question", "passage"}; }
  LabelKind label_kind() const override { return LabelKind::kSpans; }
  std::vector<std::string> labels() const override { return {}; }
  std::vector<std::string> metrics(LabelKind) const override {
    return {"answer_f1", "answer_exact"};
  }
  std::string formats() const override {
    return "SQuAD's JSON document, version 1.1 or 2.0; or JSON lines with question, context or "
           "passage, and answers [{\"text\", \"answer_start\"}]";
  }
  FieldNames fields() const override {
    return {.segments = {{"question"}, {"context", "passage"}},
            .label = {"answers"},
            .id = {"id"},
            .query = {"id"}};
  }
  FileFormat format() const override { return FileFormat::kJsonLines; }
  std::optional<LineReader> open(const std::string& path) const override {
    std::error_code error;
    if (!fs::is_regular_file(path, error)) return std::nullopt;
    const std::optional<std::string> text = one_object(path);
    auto paragraphs = std::make_shared<Paragraphs>();
    if (!text || !paragraphs->read(*text, path)) return std::nullopt;
    return LineReader([paragraphs] { return paragraphs->next(); }, path);
  }
  std::vector<Record> examples_of(Record record, const TextTable* texts) const override {
    std::vector<Record> out;
    if (const Json* data = record.find("data"); data != nullptr && data->is_array()) {
      for (const Json& article : *data) add_article(article, out);
      return out;
    }
    Json object = Json::object();
    record.for_each([&](const std::string& name, const Json& value) { object[name] = value; });
    if (object.contains("paragraphs")) {
      add_article(object, out);
    } else if (is_paragraph(object)) {
      add_paragraph(object, out);
    } else {
      take_answers(object);
      return Task::examples_of(Record(std::move(object)), texts);
    }
    return out;
  }

 private:
  static void add_article(const Json& article, std::vector<Record>& out) {
    for (const Json& paragraph : list(article, "paragraphs")) add_paragraph(paragraph, out);
  }
  static void add_paragraph(const Json& paragraph, std::vector<Record>& out) {
    const auto context = paragraph.is_object() ? paragraph.find("context") : paragraph.end();
    if (context == paragraph.end() || !context->is_string())
      throw BadLine("expected a paragraph's text in \"context\", got none");
    for (const Json& question : list(paragraph, "qas")) {
      if (!question.is_object())
        throw BadLine(std::string("expected objects in \"qas\", got ") + question.type_name());
      Json example = Json::object();
      for (const char* name : {"id", "question", "answers", "is_impossible"}) {
        if (const auto found = question.find(name); found != question.end()) example[name] = *found;
      }
      example["context"] = *context;
      take_answers(example);
      out.emplace_back(std::move(example));
    }
  }
  // A question that version 2.0 marks has none, whatever is listed.
  static void take_answers(Json& example) {
    const auto mark = example.find("is_impossible");
    if (mark == example.end()) return;
    if (!mark->is_boolean())
      throw BadLine(std::string("expected true or false in \"is_impossible\", got ") +
                    mark->type_name());
    const bool has_none = mark->get<bool>();
    example.erase(mark);
    if (has_none) example["answers"] = Json::array();
  }
};

}  // namespace

const Task& squad_task() {
  static const Squad task;
  return task;
}

}  // namespace lait
