// The score of a pair of texts, by which passages are ranked: the model's score, or of a classifier
// the probability of one class.
#pragma once
#include <cstdint>
#include <string>

#include "lait/model/head.h"
#include "lait/model/spec.h"

namespace lait {

class PairScore {
 public:
  // `label`: of a classifier, the class whose probability is the score; "": the head has a score.
  // Throws UserError "--score: …" if the model has no such score.
  PairScore(const ModelSpec& spec, const std::string& label);
  double operator()(const Prediction& prediction) const {
    return class_ < 0 ? prediction.score : prediction.probabilities[static_cast<size_t>(class_)];
  }

 private:
  int64_t class_ = -1;  // -1: the prediction's own score
};

}  // namespace lait
