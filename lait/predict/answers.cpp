#include "lait/predict/answers.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <optional>

namespace lait {
namespace {

// The end of the text's part that ends at `end`, with the marks that belong to its last character:
// tokenizers leave accents out that are characters of their own.
int64_t with_marks(std::string_view text, int64_t end) {
  for (int64_t next = end; next < std::ssize(text); end = next) {
    UChar32 c = 0;
    U8_NEXT(text.data(), next, std::ssize(text), c);
    if (c < 0 || (U_GET_GC_MASK(c) & U_GC_M_MASK) == 0) break;
  }
  return end;
}

}  // namespace

std::vector<Answer> find_answers(std::span<const Prediction> predictions, const Dataset& dataset) {
  struct Best {
    std::optional<SpanPrediction> span;
    double no_answer = 0;
    int64_t window = 0;
  };
  std::vector<Best> best(dataset.num_questions());
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto& span = predictions[i].span;
    if (!span) continue;
    Best& of = best[dataset.window(i).question];
    of.no_answer = of.span ? std::min(of.no_answer, span->no_answer) : span->no_answer;
    if (of.span && of.span->score >= span->score) continue;
    of.span = span;
    of.window = i;
  }
  std::vector<Answer> answers;
  for (const Best& of : best) {
    Answer& answer = answers.emplace_back();
    answer.is_empty = !of.span;
    if (!of.span) continue;
    const Window& window = dataset.window(of.window);
    const auto tokens = dataset.passage_tokens(window.passage).subspan(window.first_token);
    const std::string_view text = dataset.passage_text(window.passage);
    answer.begin = tokens[of.span->begin].begin;
    answer.end = with_marks(text, tokens[of.span->end - 1].end);
    answer.text = text.substr(answer.begin, answer.end - answer.begin);
    answer.score = of.span->score;
    answer.no_answer = of.no_answer - answer.score;
  }
  return answers;
}

int64_t character_of(std::string_view text, int64_t byte) {
  int64_t characters = 0;
  for (int64_t at = 0; at < byte; ++characters) U8_FWD_1(text.data(), at, std::ssize(text));
  return characters;
}

}  // namespace lait
