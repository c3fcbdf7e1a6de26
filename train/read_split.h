// The data set of a split: from the token cache if it is there, else read, checked and tokenized,
// a part at a time, so that the texts are never in memory together.
#pragma once
#include "train/run_inputs.h"
#include "train/token_cache.h"

namespace lait {

// Sets split.dataset and split.counts; those of the training data also set what other splits and
// the model take from it: in.spec.labels, in.spec.num_segments. Throws UserError for anything that
// is wrong with the files. REQUIRES: in.tokenizer is there.
void read_split(RunInputs& in, Split& split, const DataFiles& files, TokenCache& cache);

}  // namespace lait
