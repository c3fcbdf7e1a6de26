// The answers to questions whose examples are windows of a passage: the best span of all windows,
// as text of the passage.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lait/data/dataset.h"
#include "lait/model/head.h"

namespace lait {

struct Answer {
  // The best span: bytes [begin, end) of the passage, and its text.
  std::string text{};
  int64_t begin = 0, end = 0;
  // The sum of its logits.
  double score = 0;
  // The score of "no answer", the lowest of all windows, minus that.
  double no_answer = 0;
  // The passage has no token.
  bool is_empty = false;

  // Whether the question has no answer, given the least `no_answer` of one that has.
  bool is_none(double threshold) const { return is_empty || no_answer > threshold; }
};

// One for each question of the data set, in its order. `predictions`: of its examples. REQUIRES:
// dataset.has_windows().
std::vector<Answer> find_answers(std::span<const Prediction> predictions, const Dataset& dataset);

// The number of characters (code points) before that byte.
int64_t character_of(std::string_view text, int64_t byte);

}  // namespace lait
