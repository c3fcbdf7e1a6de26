#include "eval/answer_metrics.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "lait/base/error.h"
#include "lait/base/words.h"

namespace lait {
namespace {

// With it no answer is held back.
constexpr double kNeverNone = 1e9;

// Python's string.punctuation.
bool is_punctuation(UChar32 c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}
// \w of Python's regular expressions.
bool is_word(UChar32 c) {
  return c == '_' || (U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK)) != 0;
}
// Where Python's str.split() splits.
bool is_blank(UChar32 c) { return u_isUWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

bool is_article(const icu::UnicodeString& word) {
  return word == u"a" || word == u"an" || word == u"the";
}

std::vector<std::string> words_of(std::string_view text) {
  icu::UnicodeString lower =
      icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
  lower.toLower(icu::Locale::getRoot());
  std::vector<std::string> words;
  icu::UnicodeString token, word;  // a token has words, which articles are
  const auto push_token = [&] {
    if (!token.isEmpty()) token.toUTF8String(words.emplace_back());
    token.remove();
  };
  const auto end_word = [&] {
    if (is_article(word)) {
      push_token();
    } else {
      token += word;
    }
    word.remove();
  };
  const auto end_token = [&] {
    end_word();
    push_token();
  };
  for (int32_t i = 0; i < lower.length(); i = lower.moveIndex32(i, 1)) {
    const UChar32 c = lower.char32At(i);
    if (is_punctuation(c)) continue;
    if (is_blank(c)) {
      end_token();
    } else if (is_word(c)) {
      word += c;
    } else {
      end_word();
      token += c;
    }
  }
  end_token();
  return words;
}

double overlap_f1(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  if (a.empty() || b.empty()) return a.empty() == b.empty() ? 1 : 0;
  std::map<std::string, int64_t> counts;
  for (const std::string& word : a) ++counts[word];
  double same = 0;
  for (const std::string& word : b) same += counts[word]-- > 0 ? 1 : 0;
  if (same == 0) return 0;
  const double precision = same / static_cast<double>(a.size()),
               recall = same / static_cast<double>(b.size());
  return 2 * precision * recall / (precision + recall);
}

std::vector<std::string> correct_texts(const Dataset& dataset, int32_t question, int32_t passage) {
  const std::string_view text = dataset.passage_text(passage);
  std::vector<std::string> out;
  for (const ByteRange& range : dataset.answers(question))
    out.emplace_back(text.substr(range.begin, range.end - range.begin));
  return out;
}

// The number of an example of each question.
std::vector<int64_t> first_windows(const Dataset& dataset) {
  std::vector<int64_t> first(dataset.num_questions());
  for (int64_t i = dataset.size() - 1; i >= 0; --i) first[dataset.window(i).question] = i;
  return first;
}

}  // namespace

std::string normalized_answer(std::string_view text) { return joined(words_of(text), " "); }

AnswerScores answer_scores(const std::string& predicted, std::span<const std::string> correct) {
  const std::vector<std::string> words = words_of(predicted);
  AnswerScores best;
  bool has_answer = false;
  const auto compare = [&](const std::vector<std::string>& with) {
    best.exact = std::max(best.exact, words == with ? 1.0 : 0.0);
    best.f1 = std::max(best.f1, overlap_f1(words, with));
  };
  for (const std::string& answer : correct) {
    const std::vector<std::string> of_answer = words_of(answer);
    if (of_answer.empty()) continue;
    has_answer = true;
    compare(of_answer);
  }
  if (!has_answer) compare({});
  return best;
}

// As the script's find_best_thresh: from the surest answer to the least sure one.
double best_threshold(std::span<const Answer> answers, const Dataset& dataset) {
  const std::vector<int64_t> windows = first_windows(dataset);
  std::vector<double> gains(answers.size());
  bool any_without = false;
  for (size_t q = 0; q < answers.size(); ++q) {
    const auto correct =
        correct_texts(dataset, static_cast<int32_t>(q), dataset.window(windows[q]).passage);
    const double with_none = answer_scores("", correct).f1;
    any_without = any_without || with_none == 1;
    gains[q] = answer_scores(answers[q].text, correct).f1 - with_none;
  }
  if (!any_without) return kNeverNone;
  std::vector<size_t> order(answers.size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](size_t q) { return answers[q].is_empty; });
  std::ranges::stable_sort(order, {}, [&](size_t q) { return answers[q].no_answer; });
  double sum = 0, best = 0, threshold = order.empty() ? 0 : answers[order[0]].no_answer - 1;
  for (size_t i = 0; i < order.size(); ++i) {
    sum += gains[order[i]];
    // Equal ones are answered together.
    const double here = answers[order[i]].no_answer;
    if (i + 1 < order.size() && answers[order[i + 1]].no_answer == here) continue;
    if (sum <= best) continue;
    best = sum;
    threshold = here;
  }
  return threshold;
}

void choose_threshold(Model& model, const Outputs& outputs, const Dataset& dataset) {
  if (!dataset.has_windows()) return;
  model->spec.no_answer_threshold =
      best_threshold(find_answers(model->head->predict(outputs), dataset), dataset);
}

std::vector<Outcome> answer_outcomes(std::span<const Answer> answers, const Dataset& dataset,
                                     double threshold, const std::string& what) {
  const std::vector<int64_t> windows = first_windows(dataset);
  std::vector<Outcome> outcomes;
  for (size_t q = 0; q < answers.size(); ++q) {
    const TokenizedExample example = dataset.example(windows[q]);
    if (!has_label(example.label)) {
      throw UserError(what + ": question " + std::to_string(q + 1) +
                      ": evaluation needs its answers, got none; evaluate labelled data, or "
                      "predict with lait-predict");
    }
    const Answer& answer = answers[q];
    const AnswerScores scores = answer_scores(
        answer.is_none(threshold) ? "" : answer.text,
        correct_texts(dataset, static_cast<int32_t>(q), dataset.window(windows[q]).passage));
    outcomes.push_back({.query = example.query,
                        .passage = example.passage,
                        .exact = scores.exact,
                        .f1 = scores.f1});
  }
  return outcomes;
}

}  // namespace lait
