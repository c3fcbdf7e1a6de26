// MultiRC (Khashabi et al. 2018): whether an answer to a question about a passage is right; a
// question may have several right ones. SuperGLUE's JSON lines {"passage": {"text", "questions":
// [{"question", "answers": [{"text", "label"}]}]}}, one for each passage; or a line for each
// answer, as Hugging Face has them: {"paragraph", "question", "answer", "label"}. The metrics need
// the numbers of passage and question, which are carried along.
#include "lait/data/tasks.h"

namespace lait {
namespace {

using Json = Record::Json;

const Json& member(const Json& object, const char* name, Json::value_t type, const char* what) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (found != object.end() && found->type() == type) return *found;
  throw BadLine(std::string("expected ") + what + " in \"" + name + "\", got " +
                (found == object.end() ? "none" : found->type_name()));
}

// As T5's preprocessor: <br> becomes a blank, <b> and </b> vanish.
std::string without_markup(std::string text) {
  for (const auto& [tag, instead] : {std::pair{"<br>", " "}, {"<b>", ""}, {"</b>", ""}}) {
    for (size_t at = 0; (at = text.find(tag, at)) != std::string::npos;)
      text.replace(at, std::string_view(tag).size(), instead);
  }
  return text;
}

// "idx", or the place in the list.
std::string number_of(const Json& object, size_t place) {
  const auto found = object.find("idx");
  return found == object.end() ? std::to_string(place) : found->dump();
}

class MultiRc : public Task {
 public:
  std::string name() const override { return "multirc"; }
  std::vector<std::string> segment_names() const override {
    return {"passage", "question", "answer"};
  }
  std::vector<std::string> labels() const override { return {"false", "true"}; }
  // F1 over all answers is F1a.
  std::vector<std::string> metrics(LabelKind) const override {
    return {"f1", "f1m", "exact_match", "accuracy"};
  }
  std::string formats() const override {
    return "SuperGLUE's JSON lines, a passage with its questions and answers each; or JSON lines, "
           "TSV or CSV with passage or paragraph, question, answer and label";
  }
  FieldNames fields() const override {
    return {.segments = {{"passage", "paragraph"}, {"question"}, {"answer"}},
            .query = {"question_id"},
            .passage = {"passage_id"}};
  }
  Prompts prompts() const override {
    return {.parts = {{1, "multirc question: ", without_markup},
                      {2, "answer: ", without_markup},
                      {0, "paragraph: ", without_markup}},
            .labels = {"False", "True"}};
  }
  void complete(Example& example) const override {
    if (example.segments.size() != 3) return;
    if (example.passage.empty()) example.passage = example.segments[0];
    if (example.query.empty()) example.query = example.segments[0] + "\n" + example.segments[1];
  }
  std::vector<Record> examples_of(Record record, const TextTable* texts) const override {
    const Json* passage = record.find("passage");
    if (passage != nullptr && passage->is_object()) return nested(record, *passage);
    // Hugging Face's "idx": {"paragraph", "question", "answer"}.
    const Json* idx = record.find("idx");
    if (idx == nullptr || !idx->is_object()) return Task::examples_of(std::move(record), texts);
    Json example = Json::object();
    record.for_each([&](const std::string& name, const Json& value) {
      if (name != "idx") example[name] = value;
    });
    const auto part = [&](const char* name) {
      return member(*idx, name, Json::value_t::number_unsigned, "a number").dump();
    };
    add_ids(example, part("paragraph"), part("question"), part("answer"));
    return records(std::move(example));
  }

 private:
  static void add_ids(Json& example, const std::string& passage, const std::string& question,
                      const std::string& answer) {
    example["id"] = passage + "/" + question + "/" + answer;
    example["passage_id"] = passage;
    example["question_id"] = passage + "/" + question;
  }

  static std::vector<Record> nested(const Record& record, const Json& passage) {
    const Json& text = member(passage, "text", Json::value_t::string, "text");
    const Json* idx = record.find("idx");
    if (idx == nullptr) throw BadLine("expected the passage's number in \"idx\", got none");
    std::vector<Record> out;
    size_t question_place = 0;
    for (const Json& question : member(passage, "questions", Json::value_t::array, "a list")) {
      const Json& asked = member(question, "question", Json::value_t::string, "text");
      const std::string question_number = number_of(question, question_place++);
      size_t answer_place = 0;
      for (const Json& answer : member(question, "answers", Json::value_t::array, "a list")) {
        Json example{{"passage", text},
                     {"question", asked},
                     {"answer", member(answer, "text", Json::value_t::string, "text")}};
        if (const auto label = answer.find("label"); label != answer.end())
          example["label"] = *label;
        add_ids(example, idx->dump(), question_number, number_of(answer, answer_place++));
        out.emplace_back(std::move(example));
      }
    }
    return out;
  }
};

}  // namespace

const Task& multirc_task() {
  static const MultiRc task;
  return task;
}

}  // namespace lait
