// The examples without labels that training.distill adds to the training data, for the teacher to
// label.
#pragma once
#include <vector>

#include "lait/data/example.h"
#include "train/run_inputs.h"

namespace lait {

struct MoreExamples {
  std::vector<Example> recombined, unlabelled;
};
// training.distill's recombine and data; both are empty without. Reads the files, the training data
// among them. Throws UserError as SplitReader and recombined_pairs do.
MoreExamples more_examples(const RunInputs& in);
// The texts of all examples of the training data set, in its order: those of data.train,
// recombined ones, and those of training.distill.data.
std::vector<Example> training_texts(const RunInputs& in);

}  // namespace lait
