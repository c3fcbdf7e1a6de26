// FNC-1, the Fake News Challenge's first stage (2017): the stance of an article to a headline. Its
// CSV of pairs {Headline, Body ID, Stance}, and the articles in a file of their own, data.bodies:
// {Body ID, articleBody}. Both have quoted fields with line breaks. About 30 headlines share an
// article.
#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

constexpr const char* kId = "Body ID";
constexpr const char* kBody = "articleBody";

std::string record_id(const Record& record) {
  const Record::Json* id = record.find(kId);
  return id == nullptr ? record.text(kId) : id_text(*id, kId);
}

void read_bodies(const std::string& path, WantedIds, TextTable& bodies) {
  const size_t before = bodies.size();
  LineReader lines{std::filesystem::path(path)};
  RecordReader records(lines, FileFormat::kAuto, ReadFor::kTraining, {});
  const auto where = [&] { return path + ":" + std::to_string(records.line_number()); };
  try {
    while (const auto record = records.next())
      bodies.add(record_id(*record), {record->text(kBody)}, where());
  } catch (const BadLine& error) {
    throw UserError(where() + ": " + error.what() + "; data.bodies is the CSV file with " + kId +
                    " and " + kBody);
  }
  if (bodies.size() == before)
    throw UserError(path + ": expected articles with " + kId + " and " + kBody + ", got none");
}

class Fnc1 : public Task {
 public:
  std::string name() const override { return "fnc1"; }
  std::vector<std::string> segment_names() const override { return {"headline", "article"}; }
  // The order of the challenge; unrelated is the last.
  std::vector<std::string> labels() const override {
    return {"agree", "disagree", "discuss", "unrelated"};
  }
  std::vector<std::string> metrics(LabelKind) const override {
    return {"fnc1_score", "macro_f1", "accuracy"};
  }
  std::string formats() const override {
    return "the challenge's CSV with Headline, Body ID and Stance, and data.bodies, a CSV with "
           "Body "
           "ID and articleBody";
  }
  FieldNames fields() const override {
    return {.segments = {{"Headline", "headline"}, {kBody, "article", kId}},
            .label = {"Stance", "label"},
            .passage = {kId}};
  }
  std::optional<TextFile> text_file() const override {
    return TextFile{.key = "data.bodies", .read = read_bodies};
  }
  bool takes_columns() const override { return false; }
  std::vector<Record> examples_of(Record record, const TextTable* texts) const override {
    if (record.find("segments") != nullptr || record.find(kBody) != nullptr ||
        record.find("article") != nullptr)
      return Task::examples_of(std::move(record), texts);
    const std::string id = record_id(record);
    if (texts == nullptr) {
      throw BadLine(std::string("expected the article of ") + kId + " " + shown(id) +
                    ", got no data.bodies to look it up in: train with the CSV file of " + kId +
                    " and " + kBody + ", predict with the texts themselves");
    }
    const auto* body = texts->find(id);
    if (body == nullptr)
      throw BadLine(std::string("expected a ") + kId + " of data.bodies, got " + shown(id));
    Record::Json example = Record::Json::object();
    record.for_each(
        [&](const std::string& name, const Record::Json& value) { example[name] = value; });
    example[kBody] = body->front();
    return records(std::move(example));
  }
};

}  // namespace

const Task& fnc1_task() {
  static const Fnc1 task;
  return task;
}

}  // namespace lait
