#include "lait/data/span_labels.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "lait/base/shown_text.h"

namespace lait {
namespace {

using Json = Record::Json;

// The byte at which a character begins; the size for the one behind the last.
std::optional<int64_t> byte_of(std::string_view text, int64_t character) {
  if (character < 0) return std::nullopt;
  int64_t byte = 0;
  for (; character > 0 && byte < std::ssize(text); --character)
    U8_FWD_1(text.data(), byte, std::ssize(text));
  return character == 0 ? std::optional(byte) : std::nullopt;
}

[[noreturn]] void throw_other_form(const std::string& field, const Json& got) {
  throw BadLine("expected \"" + field +
                "\": a list of {\"text\": …, \"answer_start\": a whole number}, got " +
                shown(got.dump(-1, ' ', false, Json::error_handler_t::replace)));
}

class Answers {
 public:
  Answers(const std::string& field, std::string_view text, int64_t segment)
      : field_(field), text_(text), segment_(static_cast<int32_t>(segment)) {}

  void add(const Json& answer, const Json& start, const Json& got) {
    if (!answer.is_string() || !start.is_number_integer()) throw_other_form(field_, got);
    const std::string& expected = answer.get_ref<const std::string&>();
    const auto character = start.get<int64_t>();
    const std::optional<int64_t> begin = byte_of(text_, character);
    const std::string_view found =
        text_.substr(static_cast<size_t>(begin.value_or(std::ssize(text_))), expected.size());
    if (expected.empty() || found != expected) {
      if (out_.num_bad++ == 0)
        out_.first_bad = "expected " + shown(expected) + " at character " +
                         std::to_string(character) + " of the passage, got " +
                         (begin ? shown(found) : "none: it is shorter");
      return;
    }
    const TextSpan span{segment_, *begin, *begin + std::ssize(expected)};
    if (std::ranges::count(out_.label.any_of, span) == 0) out_.label.any_of.push_back(span);
  }
  ReadSpans take() { return std::move(out_); }

 private:
  const std::string& field_;
  std::string_view text_;
  int32_t segment_;
  ReadSpans out_;
};

}  // namespace

ReadSpans read_spans(const Json& value, const std::string& field, const std::string& text,
                     int64_t segment) {
  Answers answers(field, text, segment);
  const auto member = [&](const Json& object, const char* name) -> const Json& {
    const auto found = object.is_object() ? object.find(name) : object.end();
    if (found == object.end()) throw_other_form(field, value);
    return *found;
  };
  if (value.is_array()) {
    for (const Json& answer : value)
      answers.add(member(answer, "text"), member(answer, "answer_start"), value);
    return answers.take();
  }
  const Json &texts = member(value, "text"), &starts = member(value, "answer_start");
  if (!texts.is_array() || !starts.is_array() || texts.size() != starts.size())
    throw_other_form(field, value);
  for (size_t i = 0; i < texts.size(); ++i) answers.add(texts[i], starts[i], value);
  return answers.take();
}

}  // namespace lait
