// How well answers agree with the correct ones, as SQuAD's official script (evaluate-v2.0.py)
// counts it: on texts in lower case without punctuation, articles and repeated blanks.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/metrics.h"
#include "lait/model/model.h"
#include "lait/predict/answers.h"

namespace lait {

std::string normalized_answer(std::string_view text);

struct AnswerScores {
  double exact = 0, f1 = 0;
};
// The best of all correct answers; one that is nothing once normalized counts as none, and without
// any the right answer is "".
AnswerScores answer_scores(const std::string& predicted, std::span<const std::string> correct);

// The threshold of Answer::is_none with the best F1 on labelled questions. If all of them have
// answers, it is so high that no answer is held back.
double best_threshold(std::span<const Answer> answers, const Dataset& dataset);

// Sets the model's threshold by labelled outputs. Does nothing to models that find no answers.
void choose_threshold(Model& model, const Outputs& outputs, const Dataset& dataset);

// One for each question. Throws UserError "what: …" for the first whose answers are not known.
std::vector<Outcome> answer_outcomes(std::span<const Answer> answers, const Dataset& dataset,
                                     double threshold, const std::string& what);

}  // namespace lait
