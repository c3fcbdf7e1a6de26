// New pairs of the training data's texts, for a teacher to label: a first text with second texts of
// other examples that share rare words with it. As negatives by BM25, they are what a model
// confuses, and cost no new texts.
//
// A word is a run of ASCII letters, digits and bytes of other characters, in lower case. Of M
// distinct second texts, df of which have the word, its weight is ln(M / df); a word that more than
// max(50, M / 100) of them have counts nothing. The score of a pair is the sum of the weights of
// the words that both texts have. Of equal scores, the seed decides.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "lait/data/example.h"

namespace lait {

// Pairs (i, j): the first text of example i with the second text of example j. In the order of the
// examples, for each distinct first text the pairs with the highest scores, at most `per_example`
// for each of its examples; fewer if fewer second texts share a word with it. None is in the data,
// and none is there twice. Depends on the examples and the seed alone. Throws UserError for an
// example that has not two segments.
std::vector<std::pair<int64_t, int64_t>> recombined_pairs(std::span<const Example> examples,
                                                          int64_t per_example, uint64_t seed,
                                                          int threads);
// The same as examples without labels.
std::vector<Example> recombined(std::span<const Example> examples, int64_t per_example,
                                uint64_t seed, int threads);

}  // namespace lait
