#include "eval/predict_pairs.h"

#include <algorithm>
#include <cmath>

#include "eval/pair_score.h"
#include "lait/base/error.h"
#include "lait/predict/value_rows.h"
#include "lait/predict/value_window.h"

namespace lait {
namespace {

constexpr int64_t kWindowPassages = 1024;

struct Match {
  double score;
  int64_t passage;
  // The better one first; of equal scores the earlier passage.
  bool operator<(const Match& other) const {
    return score != other.score ? score > other.score : passage < other.passage;
  }
};

class PairScorer {
 public:
  PairScorer(Predictor& predictor, const PairsOptions& options)
      : predictor_(predictor),
        options_(options),
        tokenizing_(predictor.tokenize_options()),
        score_of_(predictor.spec(), options.score_label) {}

  void add_claims(TextLines lines) {
    while (auto line = lines.next()) {
      check_example({.segments = {line->text, ""}}, predictor_.spec());
      claims_.push_back(std::move(*line));
    }
    if (claims_.empty()) throw UserError(lines.name() + ": expected claims, got no line");
    claim_values_ = values_of(claims_, /*segment=*/0, lines.name());
    best_.resize(claims_.size());
  }

  void add_passages(TextLines lines) {
    std::vector<TextLine> window;
    ValueWindow values(predictor_.values(), kWindowPassages);
    while (auto line = lines.next()) {
      values.add(line->text, is_first_[1]);
      window.push_back(std::move(*line));
      if (!values.is_full()) continue;
      score(window, lines.name());
      values.clear();
    }
    score(window, lines.name());
    if (ids_.empty()) throw UserError(lines.name() + ": expected passages, got no line");
  }

  int64_t write(const std::function<void(std::string_view)>& write) {
    for (size_t c = 0; c < claims_.size(); ++c) {
      Record::Json line = Record::Json::object(), matches = Record::Json::array();
      if (!claims_[c].id.is_null()) line["id"] = claims_[c].id;
      std::ranges::sort(best_[c], std::less<>{});
      for (const Match& match : best_[c]) {
        const Record::Json& id = ids_[static_cast<size_t>(match.passage)];
        matches.push_back({{"passage", id.is_null() ? Record::Json(match.passage) : id},
                           {"score", static_cast<float>(match.score)}});
      }
      line["matches"] = std::move(matches);
      write(line.dump() + "\n");
    }
    return std::ssize(claims_) * std::ssize(ids_);
  }

 private:
  using Values = std::vector<std::shared_ptr<const SegmentValue>>;

  // `segment`: of the pair.
  Values values_of(std::span<const TextLine> lines, int32_t segment, const std::string& name) {
    std::vector<std::string> texts;
    for (const TextLine& line : lines) texts.push_back(line.text);
    const std::vector<PlacedSegment> placed = placed_texts(texts, segment, tokenizing_);
    if (!placed.empty()) is_first_[segment] = placed.front().is_first;
    try {
      return predictor_.values()->of(placed);
    } catch (const TooLong& error) {
      throw UserError(name + ":" + std::to_string(lines[error.example].line) + ": " +
                      error.problem);
    }
  }

  // Scores the window with every claim, and empties it.
  void score(std::vector<TextLine>& window, const std::string& name) {
    if (window.empty()) return;
    Values passages = values_of(window, /*segment=*/1, name);
    // Once, not for each claim; a window's values fit in memory.
    if (claims_.size() > 1) unpack(passages, predictor_.values()->plan().others.dtype);
    const int64_t begin = std::ssize(ids_);
    for (TextLine& line : window) ids_.push_back(std::move(line.id));
    window.clear();
    std::vector<ValuedExample> examples(passages.size());
    for (size_t c = 0; c < claims_.size(); ++c) {
      for (size_t i = 0; i < passages.size(); ++i) {
        examples[i].segments = is_first_[0] ? Values{claim_values_[c], passages[i]}
                                            : Values{passages[i], claim_values_[c]};
      }
      const auto outputs = outputs_of_values(predictor_.model(), predictor_.values()->plan(),
                                             tokenizing_.layout, examples);
      keep(c, begin, predictor_.model()->head->predict(*outputs));
    }
    predictor_.values()->commit();
    if (options_.on_progress) options_.on_progress(std::ssize(claims_) * std::ssize(ids_));
  }

  void keep(size_t claim, int64_t begin, std::span<const Prediction> predictions) {
    std::vector<Match>& best = best_[claim];
    for (size_t i = 0; i < predictions.size(); ++i) {
      const double score = score_of_(predictions[i]);
      if (!std::isfinite(score)) {
        throw UserError("claim " + std::to_string(claim + 1) + ", passage " +
                        std::to_string(begin + static_cast<int64_t>(i) + 1) +
                        ": expected a finite score, got " + std::to_string(score) +
                        ": the model's weights are damaged, or its training diverged; take another "
                        "checkpoint");
      }
      best.push_back({score, begin + static_cast<int64_t>(i)});
    }
    if (std::ssize(best) <= options_.top) return;
    std::ranges::nth_element(best, best.begin() + options_.top, std::less<>{});
    best.resize(static_cast<size_t>(options_.top));
  }

  Predictor& predictor_;
  const PairsOptions& options_;
  const TokenizeOptions tokenizing_;
  const PairScore score_of_;
  std::vector<TextLine> claims_;
  Values claim_values_;
  std::vector<Record::Json> ids_;  // of the passages
  std::vector<std::vector<Match>> best_;
  // Whether a pair's segment is the first in the model's input (T5 may turn them round).
  bool is_first_[2] = {true, false};
};

}  // namespace

int64_t predict_pairs(Predictor& predictor, TextLines claims, TextLines passages,
                      const PairsOptions& options,
                      const std::function<void(std::string_view)>& write) {
  PairScorer scorer(predictor, options);
  scorer.add_claims(std::move(claims));
  scorer.add_passages(std::move(passages));
  return scorer.write(write);
}

}  // namespace lait
