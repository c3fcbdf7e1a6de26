// The lines of predict_lines as the one JSON object that SQuAD's official script scores: {id:
// answer}.
#pragma once
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace lait {

class AnswersObject {
 public:
  // `write` gets its text, part by part.
  explicit AnswersObject(std::function<void(std::string_view)> write) : write_(std::move(write)) {}
  // Adds lines. Throws UserError for one without an answer, without an id, or with one that was
  // there before.
  void add(std::string_view lines);
  // The end, after the last line.
  void finish();

 private:
  std::function<void(std::string_view)> write_;
  std::set<std::string> ids_;
  int64_t lines_ = 0;
};

}  // namespace lait
